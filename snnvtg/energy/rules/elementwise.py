"""Elementwise operations: so many of each kind for every entry of the result."""

from collections.abc import Callable

from torch import Tensor

from snnvtg.energy.records import Counts
from snnvtg.energy.rules.call import Call, counts


def each(**kinds: int) -> Callable[[Call], Counts]:
    """A rule: `kinds` operations for every entry of the result."""

    def rule(call: Call) -> Counts:
        return counts(**{kind: per_entry * call.numel for kind, per_entry in kinds.items()})

    return rule


def add(call: Call) -> Counts:
    """a + alpha·b; alpha other than ±1 multiplies."""
    scaled = call.kwargs.get("alpha", 1) not in (1, -1)
    return counts(add=call.numel, mul=call.numel if scaled else 0)


def mul(call: Call) -> Counts:
    """A product; with a mask or spikes it is a choice by one bit."""
    left, right = call.args[:2]
    constant = not isinstance(left, Tensor) or not isinstance(right, Tensor) or 0 in (left.dim(), right.dim())
    if not constant and (call.is_binary(left) or call.is_binary(right)):
        return counts(select=call.numel)
    return counts(mul=call.numel)


def div(call: Call) -> Counts:
    """A quotient; by a number known beforehand it is a multiplication."""
    kind = "div" if isinstance(call.args[1], Tensor) and call.args[1].dim() else "mul"
    return counts(**{kind: call.numel})


def power(call: Call) -> Counts:
    """x**2 and x**3 are products, x**0.5 a root, anything else exp(p·log x)."""
    exponent, n = call.args[1], call.numel
    if exponent in (2, 3) and not isinstance(exponent, Tensor):
        return counts(mul=n * (int(exponent) - 1))
    if exponent in (0.5, -0.5) and not isinstance(exponent, Tensor):
        return counts(sqrt=n, div=n if exponent < 0 else 0)
    return counts(log=n, mul=n, exp=n)


def clamp(call: Call) -> Counts:
    """One comparison a bound."""
    bounds = [call.arg(1, "min"), call.arg(2, "max")]
    return counts(compare=call.numel * sum(bound is not None for bound in bounds))


_SIGMOID = {"exp": 1, "add": 1, "div": 1}
_SIMPLE = {
    "add": "neg abs sign floor ceil round trunc frac",
    "compare": "eq ne lt le gt ge maximum minimum relu threshold isnan isinf isfinite clamp_min clamp_max",
    "select": "where masked_fill",
    "logic": "logical_not logical_and logical_or logical_xor bitwise_not bitwise_and bitwise_or",
    "random": "bernoulli uniform rand randn rand_like randn_like normal",
    "exp": "exp exp2",
    "log": "log log2 log10",
    "trig": "sin cos tan atan asin acos atan2",
    "erf": "erf",
    "sqrt": "sqrt",
    "div": "reciprocal",
    "mul": "square",
}
_COMPOUND: dict[str, dict[str, int]] = {
    "expm1": {"exp": 1, "add": 1},
    "log1p": {"log": 1, "add": 1},
    "rsqrt": {"sqrt": 1, "div": 1},
    "sigmoid": _SIGMOID,
    "silu": _SIGMOID,  # x / (1 + exp(-x)): the division takes the product's place
    "tanh": {"exp": 1, "add": 2, "div": 1},
    "softplus": {"exp": 1, "add": 1, "log": 1, "compare": 1},
    "log_sigmoid_forward": {"exp": 1, "add": 1, "log": 1, "compare": 1},
    "gelu": {"erf": 1, "add": 1, "mul": 3},
    "leaky_relu": {"compare": 1, "mul": 1},
    "elu": {"compare": 1, "exp": 1, "add": 1, "mul": 1},
    "hardtanh": {"compare": 2},
    "lerp": {"add": 2, "mul": 1},
    "addcmul": {"add": 1, "mul": 1},
    "addcdiv": {"add": 1, "mul": 1, "div": 1},
    "native_dropout": {"random": 1, "compare": 1, "select": 1, "mul": 1},
    "remainder": {"div": 1, "mul": 1, "add": 1},
    "floor_divide": {"div": 1, "add": 1},
}

ELEMENTWISE: dict[str, Callable[[Call], Counts]] = {
    **{name: each(**{kind: 1}) for kind, names in _SIMPLE.items() for name in names.split()},
    **{name: each(**kinds) for name, kinds in _COMPOUND.items()},
    "add": add,
    "sub": add,
    "rsub": add,
    "mul": mul,
    "div": div,
    "pow": power,
    "clamp": clamp,
}
