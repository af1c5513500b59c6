"""An operator and its gradient as an autograd.Function that every transform of torch.func accepts, or that refuses.

Operators whose gradient is registered with torch.library break under torch.func.grad; these Functions do not. Tracers
(torch.compile, torch.export, torch.jit.trace) get the registered operators themselves instead: see `is_tracing`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from snnvtg.errors import BackendError

Tensors = Sequence[Tensor | None]


def is_tracing() -> bool:
    """Whether the code runs to be written down, so that it should hold registered operators."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def forward_mode() -> list[str]:
    """A backend's reason to refuse where forward-mode derivatives are asked for; registered operators drop them."""
    if forward_ad._current_level < 0:
        return []
    return ["it has no forward-mode derivative (torch.func.jvp, jacfwd, forward_ad); backend 'reference' has"]


def refuse_twice(*_) -> None:
    """The gradient of a gradient."""
    remedy = "For second derivatives use backend 'reference'."
    raise BackendError("this", ["its gradient is differentiable once only"], remedy)


def differentiable(
    forward: Callable[[object, Tensors], Sequence[Tensor]],
    backward: Callable[[object, Tensors, Sequence[Tensor], Tensors], Sequence[Tensor | None]],
    outputs: Callable[[object], int],
) -> Callable[..., tuple[Tensor, ...]]:
    """A function (settings, *tensors) -> outputs and what is kept for the backward pass; the tensors may be None.

    `forward(settings, tensors)` gives them all; the first `outputs(settings)` have gradients. `backward(settings,
    tensors, kept, grads)` gives one gradient per tensor, None for those that are None or not floating point; any of
    `grads` may be None.
    """

    class Backward(torch.autograd.Function):
        @staticmethod
        def forward(settings, counts, *flat):
            tensors, kept, grads = _split(flat, counts)
            return tuple(g for g in backward(settings, tensors, kept, grads) if g is not None)

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        backward = staticmethod(refuse_twice)

        @staticmethod
        def vmap(info, in_dims, *arguments):
            return _one_by_one(Backward.apply, info.batch_size, in_dims, arguments)

    class Forward(torch.autograd.Function):
        @staticmethod
        def forward(settings, *tensors):
            return tuple(forward(settings, tensors))

        @staticmethod
        def setup_context(ctx, inputs, output):
            settings, *tensors = inputs
            kept = output[outputs(settings) :]
            ctx.settings, ctx.counts = settings, (len(tensors), len(kept))
            ctx.save_for_backward(*tensors, *kept)
            ctx.mark_non_differentiable(*kept)
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx, *grads):
            grads, saved = grads[: outputs(ctx.settings)], ctx.saved_tensors
            tensors = saved[: ctx.counts[0]]
            if all(grad is None for grad in grads):
                return (None,) * (1 + len(tensors))
            found = iter(Backward.apply(ctx.settings, ctx.counts, *saved, *grads))
            return None, *(next(found) if _is_differentiable(tensor) else None for tensor in tensors)

        @staticmethod
        def vmap(info, in_dims, *arguments):
            return _one_by_one(Forward.apply, info.batch_size, in_dims, arguments)

    class Eager(torch.autograd.Function):
        """The same without what transforms need, for less overhead per call."""

        @staticmethod
        def forward(ctx, settings, *tensors):
            output = tuple(forward(settings, tensors))
            Forward.setup_context(ctx, (settings, *tensors), output)
            return output

        backward = staticmethod(Forward.backward)

    def call(settings, *tensors):
        if torch._C._are_functorch_transforms_active():
            return Forward.apply(settings, *tensors)
        if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
            return Eager.apply(settings, *tensors)
        return tuple(forward(settings, tensors))

    return call


def _split(flat: Tensors, counts: tuple[int, int]) -> tuple[Tensors, Tensors, Tensors]:
    first, second = counts[0], sum(counts)
    return flat[:first], flat[first:second], flat[second:]


def _is_differentiable(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.is_floating_point()


def _one_by_one(function: Callable, batch_size: int, in_dims: tuple, arguments: tuple):
    """Run `function` on each member of the batch and stack what it returns."""
    results = []
    for i in range(batch_size):
        pairs = zip(arguments, in_dims, strict=True)
        member = (a.select(d, i) if isinstance(a, Tensor) and d is not None else a for a, d in pairs)
        results.append(function(*member))
    stacked = tuple(torch.stack(parts) for parts in zip(*results, strict=True))
    return stacked, (0,) * len(stacked)
