"""`fused` under torch.func: batching rules for its two operators, and an autograd.Function that transforms accept.

Operators whose gradient is registered with torch.library do not work under torch.func.grad; an autograd.Function with
a separate setup_context does, so that is what runs while a transform is active.
"""

import torch
from torch import Tensor


def _loop(operator, batch_size: int, in_dims: tuple, args: tuple):
    """Run `operator` on each member of the batch and stack what it returns."""
    results = []
    for i in range(batch_size):
        member = [
            a.select(d, i) if isinstance(a, Tensor) and d is not None else a for a, d in zip(args, in_dims, strict=True)
        ]
        results.append(operator(*member))
    return [torch.stack(parts) for parts in zip(*results, strict=True)]


def register(forward, backward, keep, differentiate, refuse_twice):
    """Register the batching rules; returns the function to call in place of `forward` under a transform."""

    def forward_rule(info, in_dims, current: Tensor, v: Tensor | None, *rest):
        v_batched = v is None or in_dims[1] is not None
        if in_dims[0] is None or not v_batched or any(d is not None for d in in_dims[2:]):
            return tuple(_loop(forward, info.batch_size, in_dims, (current, v, *rest))), (0, 0)
        # neurons do not see one another: the batch becomes one more axis of them, after T where there is T
        repeat, mean = rest[5], rest[6]
        moved = current.movedim(in_dims[0], 0 if repeat else 1)
        out, state = forward(moved, None if v is None else v.movedim(in_dims[1], 0), *rest)
        return (out, state), (0 if mean else 1, 0)

    def backward_rule(info, in_dims, *args):
        grads = _loop(backward, info.batch_size, in_dims, args)
        return grads, [0] * len(grads)

    class TransformedBackward(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*args):
            return tuple(backward(*args))

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, *grads):
            return refuse_twice(ctx, *grads)

    class Transformed(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*args):
            return forward(*args)

        @staticmethod
        def setup_context(ctx, inputs, output):
            keep(ctx, inputs, output)

        @staticmethod
        def backward(ctx, *grads):
            return differentiate(ctx, *grads, backward=TransformedBackward.apply)

    torch.library.register_vmap("snnvtg::lif_forward", forward_rule)
    torch.library.register_vmap("snnvtg::lif_backward", backward_rule)
    return Transformed.apply
