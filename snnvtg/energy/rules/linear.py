"""Matrix products and convolutions: MACs, or accumulates where spikes drive them.

Spikes × weights: each spike adds `fan-out` weights, so effective ACs = Σ over spikes of the fan-out and dense ACs =
every pair. Both operands spikes (Q·Kᵀ): an accumulator changes only where both fire, so effective = coincidences. An
integer operand and a spike operand ((Q·Kᵀ)·V): count what the spike operand selects. Everything else: dense MACs.
With `skip_zero_weights` a weight of 0 is not added either (some tools count so; hardware has to know beforehand).
A convolution's taps on its zero padding are in no count, dense or effective: no spike reaches them, so a firing rate of
1 gives the dense count. fvcore and torch count them.
"""

import math

import torch
from torch import Tensor

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call, counts


def product(call: Call, left: Tensor, right: Tensor) -> Counts:
    """left (..., n, k) @ right (..., k, m), equal batch sizes."""
    rows, inner, columns = left.shape[-2], left.shape[-1], right.shape[-1]
    batch = math.prod(left.shape[:-2])
    dense = batch * rows * inner * columns
    if left.layout is not torch.strided or right.layout is not torch.strided:
        return _sparse(call, left, right)
    left_fires, right_fires = call.is_spike(left), call.is_spike(right)
    if not left_fires and not right_fires:
        call.dense_in = right.numel() if call.is_weight(left) else left.numel()
        return {"mac": (dense, dense)}
    if (left_fires and right_fires) or call.skip_zero_weights:
        by_left, by_right = left.bool().sum(-2), right.bool().sum(-1)  # count_nonzero of an axis takes longer
        call.spike_operands = left_fires + right_fires
        driving, spikes = (left, by_left) if left_fires else (right, by_right)
        call.spikes_in, call.dense_in = int(spikes.sum()), driving.numel()
        return {"ac": (int((by_left * by_right).sum()), dense)}
    driving, fan_out = (left, columns) if left_fires else (right, rows)
    call.spikes_in, call.dense_in = int(driving.count_nonzero()), driving.numel()
    return {"ac": (call.spikes_in * fan_out, dense)}


def _sparse(call: Call, left: Tensor, right: Tensor) -> Counts:
    """Each entry that is stored meets a row or column of the other operand; both sparse: on the average."""
    rows, inner, columns = left.shape[-2], left.shape[-1], right.shape[-1]
    stored = [tensor._nnz() if tensor.layout is not torch.strided else None for tensor in (left, right)]
    if None not in stored:
        pairs = -(-stored[0] * stored[1] // max(inner, 1))
    else:
        pairs = stored[0] * columns if stored[1] is None else stored[1] * rows
    sparse = left if stored[0] is not None else right
    if not call.is_spike(sparse):
        call.dense_in = sparse._nnz()
        return {"mac": (pairs, pairs)}
    call.spikes_in, call.dense_in = sparse._nnz(), sparse.numel()
    return {"ac": (pairs, rows * inner * columns)}


def mm(call: Call) -> Counts:
    """mm, bmm: (n, k) @ (k, m)."""
    return product(call, *call.args[:2])


def mv(call: Call) -> Counts:
    """mv (n, k) @ (k,), dot (k,) @ (k,)."""
    left, right = call.args[:2]
    return product(call, left if left.dim() == 2 else left.unsqueeze(0), right.unsqueeze(1))


def addmm(call: Call) -> Counts:
    """beta·bias + alpha·(left @ right), right a matrix or a vector: one add an entry for the bias."""
    beta, alpha = call.kwargs.get("beta", 1), call.kwargs.get("alpha", 1)
    left, right = call.args[1:3]
    made = product(call, left, right if right.dim() > 1 else right.unsqueeze(1))
    call.bias = call.args[0]
    scaled = (beta not in (0, 1)) + (alpha != 1)
    return {**made, **counts(add=call.numel if beta != 0 else 0, mul=scaled * call.numel)}


def convolution(call: Call) -> Counts:
    """convolution(input (B, C, *), weight, bias, stride, padding, dilation, transposed, output_padding, groups)."""
    x, weight, bias, stride, padding, dilation, transposed, _, groups = call.args[:9]
    bias_adds = counts(add=call.numel if bias is not None else 0)
    reached = _taps_reached(call.result.shape, x.shape, weight.shape[2:], stride, padding, dilation, transposed)
    per_group = _reached_outputs(weight, groups, transposed)
    dense = dense_taps(x, call.result.shape, weight, stride, padding, dilation, transposed, groups)
    call.bias, call.dense_in = bias, x.numel()
    if not call.is_spike(x):
        return {"mac": (dense, dense), **bias_adds}
    if call.skip_zero_weights:
        call.spikes_in = int(x.count_nonzero())
        return {"ac": (_pairs_that_meet(call), dense), **bias_adds}
    per_position = x.count_nonzero((0, 1)) if x.dim() == weight.dim() else x.count_nonzero(0)
    call.spikes_in = int(per_position.sum())
    effective = int((per_position.double().cpu() * reached).sum()) * per_group
    return {"ac": (effective, dense), **bias_adds}


def dense_taps(x: Tensor, out_shape, weight: Tensor, stride, padding, dilation, transposed: bool, groups: int) -> int:
    """Products of a convolution of x (B, C, *), those on its zero padding left out."""
    reached = _taps_reached(out_shape, x.shape, weight.shape[2:], stride, padding, dilation, transposed)
    channels = x.numel() // max(math.prod(x.shape[x.dim() - reached.dim() :]), 1)  # of all samples
    return int(reached.sum()) * channels * _reached_outputs(weight, groups, transposed)


def _reached_outputs(weight: Tensor, groups: int, transposed: bool) -> int:
    """Output channels that an input channel reaches."""
    return weight.shape[1] if transposed else weight.shape[0] // groups


def _pairs_that_meet(call: Call) -> int:
    """Accumulates of a convolution where both the input's entry and the weight are not zero."""
    x, weight = call.args[:2]
    met = torch.ops.aten.convolution((x != 0).double(), (weight != 0).double(), None, *call.args[3:9])
    return int(met.sum())


def _taps_reached(out_shape, in_shape, kernel, stride, padding, dilation, transposed: bool) -> Tensor:
    """How many (tap, output position) pairs each input position takes part in: the product of its axes' counts."""
    reached = torch.ones((), dtype=torch.double)
    axes = len(kernel)
    for axis in range(axes):
        n_in, n_out = in_shape[axis - axes], out_shape[axis - axes]
        step, pad, spread = (values[axis % len(values)] for values in (stride, padding, dilation))
        tap = torch.arange(kernel[axis]) * spread
        if transposed:
            target = torch.arange(n_in).unsqueeze(1) * step - pad + tap
            hits = (target >= 0) & (target < n_out)
        else:
            offset = torch.arange(n_in).unsqueeze(1) + pad - tap
            hits = (offset >= 0) & (offset % step == 0) & (offset // step < n_out)
        reached = reached.unsqueeze(-1) * hits.sum(1).double()
    return reached


LOOKUPS = frozenset({"embedding", "index_select", "index", "gather", "take", "_unsafe_index"})
"""operations that read of their first operand the entries they return, not all of it"""

LINEAR = {
    "mm": mm,
    "bmm": mm,
    "mv": mv,
    "dot": lambda call: product(call, call.args[0].unsqueeze(0), call.args[1].unsqueeze(1)),
    "addmm": addmm,
    "addmv": addmm,
    "baddbmm": addmm,
    "convolution": convolution,
    "_convolution": convolution,
}
