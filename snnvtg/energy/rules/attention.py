"""Fused attention: the products and the softmax that its one call stands for."""

from collections.abc import Callable

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call, counts


def scaled_dot_product(call: Call) -> Counts:
    """q (B, H, n, d), k (B, H, m, d), v (B, H, m, e): q·kᵀ, scale, softmax over m, times v; all pairs, no skipping."""
    q, k, v = call.args[:3]
    pairs = q.shape[:-1].numel() * k.shape[-2]
    rows = q.shape[:-1].numel()
    causal = call.name.startswith("_scaled_dot_product_flash") and call.arg(4, "is_causal", False)
    masked = call.kwargs.get("attn_mask") is not None or causal
    return counts(
        mac=pairs * (q.shape[-1] + v.shape[-1]),
        mul=pairs,
        compare=pairs - rows,
        add=2 * pairs - rows + (pairs if masked else 0),
        exp=pairs,
        div=pairs,
    )


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
