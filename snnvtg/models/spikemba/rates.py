"""Firing rates that a loss can be made of.

`instrumentation.FiringRates` counts spikes and keeps no graph; here each layer's rate is one differentiable number,
recorded only where a loss asks for it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from snnvtg.layers.shares import summed
from snnvtg.models.spikemba.detector import SpikingSaliencyDetector
from snnvtg.neurons import LIF


@contextmanager
def recorded_rates(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """{layer name: spikes per neuron and step of the last forward pass within the block}.

    One entry for each LIF layer of every spiking detector (q, k, v and output), over its valid positions, slots
    included; differentiable through the layer's surrogate, whichever backend runs it.
    """
    rates: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name, detector in model.named_modules():
            if not isinstance(detector, SpikingSaliencyDetector):
                continue
            mask: list[Tensor] = []
            steps: dict[str, list[Tensor]] = {}
            stack.callback(detector.register_forward_pre_hook(_keeper(mask, steps), with_kwargs=True).remove)
            for child, layer in detector.named_children():
                if isinstance(layer, LIF):
                    hook = layer.register_forward_hook(_recorder(rates, f"{name}.{child}", mask, steps))
                    stack.callback(hook.remove)
        yield rates


def _keeper(mask: list[Tensor], steps: dict[str, list[Tensor]]) -> Callable:
    def keep(_: nn.Module, args: tuple, kwargs: dict) -> None:
        mask[:] = [kwargs["valid_mask"] if "valid_mask" in kwargs else args[1]]
        steps.clear()

    return keep


def _recorder(rates: dict[str, Tensor], name: str, mask: list[Tensor], steps: dict[str, list[Tensor]]) -> Callable:
    def record(_: nn.Module, __: tuple, out: Tensor | tuple) -> None:
        # with feedback a layer runs once for each time step
        steps.setdefault(name, []).append(masked_rate(out[0] if isinstance(out, tuple) else out, mask[0]))
        rates[name] = torch.stack(steps[name]).mean()

    return record


def masked_rate(spikes: Tensor, valid_mask: Tensor) -> Tensor:
    """Mean of spikes (T, B, M, C) over the positions of valid_mask (B, M), all steps and channels: a scalar."""
    flat = spikes.float().reshape(len(spikes), valid_mask.numel(), -1)
    share = (valid_mask.flatten() / summed(valid_mask.sum())).float()
    with torch.autocast(spikes.device.type, enabled=False):  # a mean in bf16 would lose the small rates
        return summed((share @ flat).mean())
