"""`fused` under torch.func: batching rules for its two operators, and an autograd.Function that transforms accept.

Operators whose gradient is registered with torch.library do not work under torch.func.grad; an autograd.Function with
a separate setup_context does, so that is what runs while a transform is active.
"""

import torch
from torch import Tensor

from snnvtg.neurons.backends.fused_operator import differentiate, keep, lif_backward, lif_forward, refuse_twice


def _loop(operator, batch_size: int, in_dims: tuple, args: tuple):
    """Run `operator` on each member of the batch and stack what it returns."""
    results = []
    for i in range(batch_size):
        member = [
            a.select(d, i) if isinstance(a, Tensor) and d is not None else a for a, d in zip(args, in_dims, strict=True)
        ]
        results.append(operator(*member))
    return [torch.stack(parts) for parts in zip(*results, strict=True)]


def _forward_rule(info, in_dims, current: Tensor, v: Tensor | None, *rest):
    v_batched = v is None or in_dims[1] is not None
    if in_dims[0] is None or not v_batched or any(d is not None for d in in_dims[2:]):
        return tuple(_loop(lif_forward, info.batch_size, in_dims, (current, v, *rest))), (0, 0, 0)
    # neurons do not see one another: the batch becomes one more axis of them, after T where there is T
    num_timesteps, mean, trace = rest[4], rest[5], rest[-1]
    moved = current.movedim(in_dims[0], 0 if num_timesteps else 1)
    outputs = lif_forward(moved, None if v is None else v.movedim(in_dims[1], 0), *rest)
    return outputs, (0 if mean else 1, 0, 1 if trace else None)


def _backward_rule(info, in_dims, *args):
    grads = _loop(lif_backward, info.batch_size, in_dims, args)
    return grads, [0] * len(grads)


class _Backward(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(*args):
        return tuple(lif_backward(*args))

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, *grads):
        return refuse_twice(ctx, *grads)


class Transformed(torch.autograd.Function):
    """What transforms get; its gradient can be transformed too."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*args):
        return lif_forward(*args)

    @staticmethod
    def setup_context(ctx, inputs, output):
        keep(ctx, inputs, output)

    @staticmethod
    def backward(ctx, *grads):
        return differentiate(ctx, *grads, backward=_Backward.apply)


class Eager(torch.autograd.Function):
    """What everybody else gets but tracers, who see the operators: less overhead per call."""

    @staticmethod
    def forward(ctx, *arguments):
        with torch._C._AutoDispatchBelowAutograd():
            output = lif_forward(*arguments)
        keep(ctx, arguments, output)
        return output

    @staticmethod
    def backward(ctx, *grads):
        return differentiate(ctx, *grads, backward=lif_backward if torch.is_grad_enabled() else _backward_alone)


def _backward_alone(*arguments):
    # the operator's own rule of autograd has nothing to do here but to cost time
    with torch._C._AutoDispatchBelowAutograd():
        return lif_backward(*arguments)


torch.library.register_vmap("snnvtg::lif_forward", _forward_rule)
torch.library.register_vmap("snnvtg::lif_backward", _backward_rule)
