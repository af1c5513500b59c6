"""Losses, gradient clipping and foreach optimisers: what a training step does besides the model."""

import math
from collections.abc import Callable

from torch import Tensor

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call, counts


def loss(**kinds: int) -> Callable[[Call], Counts]:
    """`kinds` for every entry of the input, and the adds of its reduction."""

    def rule(call: Call) -> Counts:
        entries = call.args[0].numel()
        kinds_each = {kind: per_entry * entries for kind, per_entry in kinds.items()}
        return counts(**{**kinds_each, "add": kinds_each.get("add", 0) + entries - call.numel})

    return rule


def logsumexp(call: Call) -> Counts:
    """Over rows of n: maximum, n differences and exponentials, their sum, a logarithm, the maximum again."""
    entries, rows = call.args[0].numel(), call.numel
    return counts(compare=entries - rows, add=2 * entries, exp=entries, log=rows)


def unique(call: Call) -> Counts:
    """A sort and a comparison of neighbours."""
    n = call.args[0].numel()
    return counts(compare=n * math.ceil(math.log2(max(n, 2))) + n)


def foreach(**kinds: int) -> Callable[[Call], Counts]:
    """`kinds` for every entry of every tensor of the first list."""

    def rule(call: Call) -> Counts:
        entries = sum(tensor.numel() for tensor in call.args[0] if isinstance(tensor, Tensor))
        return counts(**{kind: per_entry * entries for kind, per_entry in kinds.items()})

    return rule


TRAINING: dict[str, Callable[[Call], Counts]] = {
    "binary_cross_entropy_with_logits": loss(exp=1, log=1, add=3, mul=1, compare=1),
    "binary_cross_entropy": loss(log=2, add=2, mul=2),
    "smooth_l1_loss": loss(add=2, mul=2, compare=1),
    "huber_loss": loss(add=2, mul=2, compare=1),
    "mse_loss": loss(add=1, mul=1),
    "nll_loss_forward": lambda call: counts(add=2 * call.args[0].shape[0]),
    "nll_loss_backward": lambda call: counts(mul=call.args[1].shape[0]),
    "logsumexp": logsumexp,
    "_unique2": unique,
    "unique_dim": unique,
    "_unique": unique,
    "nll_loss2d_forward": lambda call: counts(add=2 * call.args[1].numel()),
    "nll_loss2d_backward": lambda call: counts(mul=call.args[2].numel()),
    "soft_margin_loss": loss(exp=1, log=1, add=1, mul=1),
    "multi_margin_loss": loss(add=2, compare=1),
    "multilabel_margin_loss_forward": loss(add=2, compare=1),
    "_foreach_norm": foreach(mul=1, add=1),
    "_foreach_max": foreach(compare=1),
    **{f"_foreach_{name}": foreach(add=1) for name in ("add", "sub", "neg", "abs", "sign", "round", "floor", "ceil")},
    **{f"_foreach_{name}": foreach(compare=1) for name in ("maximum", "minimum", "clamp_min", "clamp_max")},
    **{f"_foreach_{name}": foreach(exp=1) for name in ("exp",)},
    **{f"_foreach_{name}": foreach() for name in ("copy", "zero")},
    "_foreach_mul": foreach(mul=1),
    "_foreach_div": foreach(div=1),
    "_foreach_reciprocal": foreach(div=1),
    "_foreach_sqrt": foreach(sqrt=1),
    "_foreach_rsqrt": foreach(sqrt=1, div=1),
    "_foreach_pow": foreach(mul=1, exp=1, log=1),
    **dict.fromkeys(["_fused_adam", "_fused_adamw"], foreach(mul=8, add=5, sqrt=1, div=2)),
    "_fused_sgd": foreach(mul=2, add=2),
    "_fused_adagrad": foreach(mul=2, add=3, sqrt=1, div=1),
    "_foreach_addcmul": foreach(add=1, mul=2),
    "_foreach_addcdiv": foreach(add=1, mul=1, div=1),
    "_foreach_lerp": foreach(add=2, mul=1),
}
