"""Sums, means, norms, softmax, pooling, sorting: how many of each kind for a whole reduction."""

import math
from collections.abc import Callable

from torch import Tensor

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call, counts


def summed(call: Call) -> Counts:
    """A sum of n entries is n − 1 adds; of spikes only the spikes are added, at most n − 1 of them for each sum."""
    x: Tensor = call.args[0]
    dense = max(x.numel() - call.numel, 0)
    if not call.is_spike(x):
        return counts(add=dense)
    axes = call.arg(1, "dim") or tuple(range(x.dim()))
    fired = x.bool().sum(axes)  # count_nonzero of an axis takes longer
    call.spikes_in, call.dense_in = int(fired.sum()), x.numel()
    return {"add": (int(fired.clamp(max=max(dense // max(call.numel, 1), 0)).sum()), dense)}


def mean(call: Call) -> Counts:
    """A sum and one product with 1/n."""
    return {**summed(call), **counts(mul=call.numel)}


def compared(call: Call) -> Counts:
    """A maximum or minimum of n entries is n − 1 comparisons; of two tensors one an entry."""
    if isinstance(call.arg(1, "other"), Tensor):
        return counts(compare=call.numel)
    return counts(compare=max(call.args[0].numel() - call.numel, 0))


def multiplied(call: Call) -> Counts:
    """A product of n entries is n − 1 multiplications."""
    return counts(mul=max(call.args[0].numel() - call.numel, 0))


def decided(call: Call) -> Counts:
    """any, all over n entries."""
    return counts(logic=max(call.args[0].numel() - call.numel, 0))


def variance(call: Call) -> Counts:
    """Two passes: the mean, then the mean of squared distances (and a root for the standard deviation)."""
    n, out = call.args[0].numel(), call.numel
    return counts(add=2 * (n - out) + n, mul=n + 2 * out, sqrt=out if call.name.startswith("std") else 0)


def vector_norm(call: Call) -> Counts:
    """Euclidean norm: squares, their sum, a root."""
    n, out = call.args[0].numel(), call.numel
    return counts(mul=n, add=n - out, sqrt=out)


def softmax(call: Call) -> Counts:
    """Over rows of n: maximum, n differences, n exponentials, their sum, n quotients (a log softmax: n differences)."""
    total, n = call.numel, call.args[0].shape[call.args[1]] if call.args[0].dim() else 1
    rows = total // max(n, 1)
    made = {"compare": total - rows, "add": 2 * total - rows, "exp": total}
    if call.name == "_log_softmax":
        return counts(**{**made, "add": made["add"] + total, "log": rows})
    return counts(**made, div=total)


def layer_norm(call: Call) -> Counts:
    """Rows of n: mean, differences, variance, 1/√(var + eps), scale; then weight and bias where there are any."""
    x, rows = call.args[0], max(call.out[1].numel(), 1)
    affine = [a for a in call.args[1:4] if isinstance(a, Tensor)]
    return _normalised(x.numel(), rows, weight=len(affine) > 0, bias=len(affine) > 1)


def _normalised(total: int, rows: int, *, weight: bool, bias: bool) -> Counts:
    adds = (total - rows) + total + (total - rows) + rows + bias * total
    muls = rows + total + rows + total + weight * total
    return counts(add=adds, mul=muls, sqrt=rows, div=rows)


def group_norm(call: Call) -> Counts:
    """native_group_norm(input, weight, bias, N, C, HxW, group, eps)."""
    weight, bias = call.args[1:3]
    return _normalised(call.numel, call.out[1].numel(), weight=weight is not None, bias=bias is not None)


def batch_norm(call: Call) -> Counts:
    """With running statistics one product and one add an entry, the factors once a channel; else statistics first."""
    x, weight, bias = call.args[:3]
    training = call.arg(5, "training", False) if call.name in TOLD_TO_TRAIN else call.name == "_batch_norm_with_update"
    channels, total = x.shape[1], x.numel()
    if training:
        return _normalised(total, channels, weight=weight is not None, bias=bias is not None)
    return counts(
        mul=total + channels * (1 + (weight is not None)),
        add=total + channels * (1 + (bias is not None)),
        sqrt=channels,
        div=channels,
    )


TOLD_TO_TRAIN = ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_native_batch_norm_legit")
"""batch norms with an argument `training`, the sixth"""


def average_pool(call: Call) -> Counts:
    """Windows of k entries: k − 1 adds and one product each."""
    taps = math.prod(call.args[1]) ** (2 if len(call.args[1]) == 1 and call.name.endswith("2d") else 1)
    return counts(add=call.numel * (taps - 1), mul=call.numel)


def adaptive_pool(call: Call) -> Counts:
    """Windows that share the input out among the results."""
    return counts(add=max(call.args[0].numel() - call.numel, 0), mul=call.numel)


def max_pool(call: Call) -> Counts:
    """Windows of k entries: k − 1 comparisons."""
    taps = math.prod(call.args[1]) ** (2 if len(call.args[1]) == 1 and "2d" in call.name else 1)
    return counts(compare=call.numel * (taps - 1))


def sort(call: Call) -> Counts:
    """n·⌈log2 n⌉ comparisons a row; selections (topk, median) are priced as sorts."""
    x = call.args[0]
    position = {"sort": 1, "median": 1, "nanmedian": 1, "mode": 1}.get(call.name, 2)
    axis = call.arg(position, "dim", None if "median" in call.name else -1)
    if x.dim() == 0:
        return {}
    n = x.numel() if axis is None else x.shape[axis if isinstance(axis, int) and not isinstance(axis, bool) else -1]
    return counts(compare=x.numel() * math.ceil(math.log2(max(n, 2))))


def cumulated(call: Call) -> Counts:
    """A running sum: one add an entry."""
    return counts(add=call.numel)


def scattered(call: Call) -> Counts:
    """Entries added to where an index says: one add each."""
    source = next((a for a in reversed(call.args) if isinstance(a, Tensor)), call.result)
    return counts(add=source.numel())


def placed(call: Call) -> Counts:
    """Entries written where an index says: no arithmetic, or with `accumulate` one add each."""
    return counts(add=call.args[2].numel() if call.arg(3, "accumulate", False) else 0)


def interpolated(call: Call) -> Counts:
    """Linear interpolation: two products and an add an entry and axis."""
    axes = 3 if "trilinear" in call.name else 2 if "bilinear" in call.name else 1
    return counts(mul=2 * axes * call.numel, add=axes * call.numel)


def searched(call: Call) -> Counts:
    """searchsorted(sorted, values), bucketize(values, sorted), isin: a binary search for each entry."""
    first, second = call.args[:2]
    line = first if call.name == "searchsorted" else second
    n = line.shape[-1] if isinstance(line, Tensor) and line.dim() else 1
    return counts(compare=call.numel * math.ceil(math.log2(n + 1)))


def nonzeros(call: Call) -> Counts:
    """A comparison an entry, and the adds of the count."""
    n = call.args[0].numel()
    return counts(compare=n, add=max(n - call.numel, 0))


def histogram(call: Call) -> Counts:
    """histc, bincount: a product to find the place, an add there."""
    n = call.args[0].numel()
    return counts(add=n, mul=n if call.name == "histc" else 0)


def rms_norm(call: Call) -> Counts:
    """_fused_rms_norm(x, shape, weight, eps): squares, their mean, 1/√, scale; then the weight."""
    x, weight = call.args[0], call.arg(2, "weight")
    n, rows = x.numel(), x.numel() // max(math.prod(call.args[1]), 1)
    return counts(mul=2 * n + rows + (n if weight is not None else 0), add=n, sqrt=rows, div=rows)


def weight_norm(call: Call) -> Counts:
    """_weight_norm_interface(v, g, dim): the norm of each row, v · g / norm."""
    n, rows = call.args[0].numel(), call.args[1].numel()
    return counts(mul=2 * n, add=n - rows, sqrt=rows, div=rows)


def sampled(call: Call) -> Counts:
    """grid_sampler_2d, _3d: for each position its corners' weights, for each entry a product and an add a corner."""
    corners, axes = (4, 2) if call.name.endswith("2d") else (8, 3)
    positions = call.args[1].numel() // axes
    if call.args[2] != 0:  # nearest
        return counts(mul=axes * positions, add=2 * axes * positions)
    return counts(
        mul=corners * call.numel + (axes + corners) * positions,
        add=(corners - 1) * call.numel + 2 * axes * positions,
    )


def smoothed(call: Call) -> Counts:
    """_upsample_bilinear2d_aa, _bicubic2d_aa: rows, then columns; the window grows where the picture shrinks."""
    x, out = call.args[0], call.result
    window = 4 if "bicubic" in call.name else 2
    taps = [math.ceil(window * max(x.shape[axis] / out.shape[axis], 1)) for axis in (-2, -1)]
    rows = out.numel() // out.shape[-2] * x.shape[-2]
    return counts(mul=rows * taps[1] + out.numel() * taps[0], add=rows * (taps[1] - 1) + out.numel() * (taps[0] - 1))


def bags(call: Call) -> Counts:
    """_embedding_bag(table, indices, …): rows added up."""
    return counts(add=max(call.args[1].numel() * call.args[0].shape[1] - call.numel, 0))


REDUCTIONS: dict[str, Callable[[Call], Counts]] = {
    "sum": summed,
    "nansum": summed,
    "mean": mean,
    **dict.fromkeys(["max", "min", "amax", "amin", "argmax", "argmin", "aminmax"], compared),
    "prod": multiplied,
    **dict.fromkeys(["any", "all"], decided),
    **dict.fromkeys(["var", "std", "var_mean", "std_mean"], variance),
    **dict.fromkeys(["linalg_vector_norm", "norm"], vector_norm),
    **dict.fromkeys(["_softmax", "_log_softmax", "_safe_softmax"], softmax),
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    **dict.fromkeys(TOLD_TO_TRAIN, batch_norm),
    "_batch_norm_with_update": batch_norm,
    **dict.fromkeys(["_native_batch_norm_legit_no_training", "_batch_norm_no_update"], batch_norm),
    **dict.fromkeys(["avg_pool1d", "avg_pool2d", "avg_pool3d"], average_pool),
    **dict.fromkeys(["_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d"], adaptive_pool),
    **dict.fromkeys(["adaptive_max_pool2d", "adaptive_max_pool3d"], compared),
    **dict.fromkeys(["max_pool2d_with_indices", "max_pool3d_with_indices"], max_pool),
    **dict.fromkeys(["sort", "topk", "median", "nanmedian", "kthvalue", "mode"], sort),
    **dict.fromkeys(["cumsum", "logcumsumexp"], cumulated),
    **dict.fromkeys(["index_put", "_index_put_impl", "_unsafe_index_put"], placed),
    **dict.fromkeys(["cummax", "cummin"], lambda call: counts(compare=call.numel)),
    "cumprod": lambda call: counts(mul=call.numel),
    **dict.fromkeys(["scatter_add", "index_add", "scatter_reduce"], scattered),
    **dict.fromkeys(["upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"], interpolated),
    **dict.fromkeys(["_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_upsample_lanczos2d_aa"], smoothed),
    "dist": lambda call: counts(add=2 * call.args[0].numel(), mul=call.args[0].numel(), sqrt=1),
    "upsample_bicubic2d": lambda call: counts(mul=20 * call.numel, add=15 * call.numel),
    **dict.fromkeys(["searchsorted", "bucketize", "isin"], searched),
    "count_nonzero": nonzeros,
    "trace": lambda call: counts(add=max(min(call.args[0].shape) - 1, 0)),
    **dict.fromkeys(["histc", "bincount"], histogram),
    "segment_reduce": lambda call: counts(add=call.args[0].numel()),
    "col2im": lambda call: counts(add=call.args[0].numel()),
    "_fused_rms_norm": rms_norm,
    "_weight_norm_interface": weight_norm,
    **dict.fromkeys(["grid_sampler_2d", "grid_sampler_3d"], sampled),
    **dict.fromkeys(["_embedding_bag", "_embedding_bag_forward_only"], bags),
    **dict.fromkeys(["fractional_max_pool2d", "fractional_max_pool3d"], compared),
    **dict.fromkeys(["unique_consecutive", "_aminmax"], lambda call: counts(compare=call.args[0].numel())),
    **dict.fromkeys(["renorm", "embedding_renorm"], lambda call: counts(mul=2 * call.numel, add=call.numel)),
    "multinomial": lambda call: counts(random=call.numel, add=call.args[0].numel(), compare=call.numel),
    "_masked_softmax": lambda call: counts(
        select=call.numel, compare=call.numel, add=2 * call.numel, exp=call.numel, div=call.numel
    ),
}
