"""Random scan inputs and the comparison every parity test uses."""

import torch
from torch import Tensor

from snnvtg.scan import ScanInputs, bidirectional_selective_scan, selective_scan


def direction(
    generator, batch, length, channels, states, dtype=torch.float64, initial=True, optional=True
) -> ScanInputs:
    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    rates = torch.rand(channels, states, generator=generator, dtype=torch.float64) * 4 + 0.05
    return ScanInputs(
        u=random(batch, length, channels),
        delta=random(batch, length, channels),
        A=(-rates).to(dtype).requires_grad_(),
        B=random(batch, length, states),
        C=random(batch, length, states),
        D=random(channels) if optional else None,
        delta_bias=random(channels) if optional else None,
        delta_softplus=True,
        initial_state=random(batch, channels, states) if initial else None,
    )


def leaves(*inputs: ScanInputs, z: Tensor | None = None) -> list[Tensor]:
    return [t for x in inputs for t in x.tensors if t is not None] + ([] if z is None else [z])


def values_and_gradients(backend: str, x: ScanInputs, z, mask, reverse) -> list[Tensor]:
    """Output, last state and every gradient of a weighted sum of both."""
    y, state = selective_scan(
        *(x.u, x.delta, x.A, x.B, x.C, x.D, z, x.delta_bias),
        delta_softplus=x.delta_softplus,
        initial_state=x.initial_state,
        valid_mask=mask,
        reverse=reverse,
        return_state=True,
        backend=backend,
    )
    loss = (y * _weights(y)).sum() + (state * _weights(state)).sum()
    return [y, state, *torch.autograd.grad(loss, leaves(x, z=z), allow_unused=True, materialize_grads=True)]


def bidirectional_values_and_gradients(backend: str, forward, backward, z, mask) -> list[Tensor]:
    y = bidirectional_selective_scan(forward, backward, z=z, valid_mask=mask, backend=backend)
    return [y, *torch.autograd.grad((y * _weights(y)).sum(), leaves(forward, backward, z=z))]


def _weights(like: Tensor) -> Tensor:
    return torch.cos(torch.arange(like.numel(), dtype=torch.float64)).to(like.dtype).view(like.shape)


def assert_all_close(actual: list[Tensor], expected: list[Tensor], relative: float) -> None:
    """Each tensor within `relative` of the expected one's largest entry."""
    assert len(actual) == len(expected)
    for k, (a, e) in enumerate(zip(actual, expected, strict=True)):
        assert a.shape == e.shape, k
        assert torch.isfinite(a).all(), k
        scale = e.abs().max().item() if e.numel() else 0
        torch.testing.assert_close(
            a.double(), e.double(), rtol=0, atol=relative * scale + 1e-30, msg=lambda m, k=k: f"{k}: {m}"
        )
