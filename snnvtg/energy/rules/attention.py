"""Fused attention: the products and the softmax that its one call stands for."""

from collections.abc import Callable

from torch import Tensor

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call, counts
from snnvtg.energy.rules.linear import product


def scaled_dot_product(call: Call) -> Counts:
    """q (…, n, d), k (…, m, d), v (…, m, e): q·kᵀ, scale, softmax over m, times v; all pairs, causal or not.

    Spikes among q, k, v select as in a product written out; heads of k and v may be shared by several of q.
    """
    q, k, v = call.args[:3]
    shared = q.shape[:-2].numel() // max(k.shape[:-2].numel(), 1)
    if shared > 1:
        k, v = (_repeated(call, tensor, q) for tensor in (k, v))
    pairs = q.shape[:-1].numel() * k.shape[-2]
    rows = q.shape[:-1].numel()
    causal = call.arg(CAUSAL_AT.get(call.name, 5), "is_causal", False)
    masked = call.arg(3, "attn_mask") is not None if call.name == WHOLE else call.kwargs.get("attn_mask") is not None
    scores = product(call, q, k.transpose(-1, -2))
    spikes = call.spikes_in
    values = _values(call, v, rows)
    call.spikes_in += spikes
    return {
        **{kind: _sum(scores.get(kind), values.get(kind)) for kind in {*scores, *values}},
        **counts(
            mul=pairs,
            compare=pairs - rows,
            add=2 * pairs - rows + (pairs if masked or causal is True else 0),
            exp=pairs,
            div=pairs,
        ),
    }


def _values(call: Call, v: Tensor, rows: int) -> Counts:
    """Weights (…, n, m) @ v: the weights are numbers, so v's spikes alone select."""
    queries = rows // max(v.shape[:-2].numel(), 1)
    dense = v.numel() * queries
    if not call.is_spike(v):
        call.spikes_in = 0
        return {"mac": (dense, dense)}
    call.spikes_in = int(v.count_nonzero())
    return {"ac": (call.spikes_in * queries, dense)}


def _repeated(call: Call, shared: Tensor, q: Tensor) -> Tensor:
    """Grouped heads as if each query's head had its own."""
    repeats = q.shape[-3] // shared.shape[-3]
    whole = shared.repeat_interleave(repeats, -3)
    call.provenance.set(whole, call.provenance.origin(shared))
    return whole


def _sum(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int]:
    (a, b), (c, d) = one or (0, 0), other or (0, 0)
    return a + c, b + d


WHOLE = "scaled_dot_product_attention"
CAUSAL_AT = {
    "_scaled_dot_product_flash_attention_for_cpu": 4,
    "_scaled_dot_product_flash_attention": 4,
    "_scaled_dot_product_efficient_attention": 6,
    "_scaled_dot_product_cudnn_attention": 6,
}
"""where the fused kernels take `is_causal`"""
ATTENTION: dict[str, Callable[[Call], Counts]] = dict.fromkeys(
    [
        "scaled_dot_product_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
    ],
    scaled_dot_product,
)
