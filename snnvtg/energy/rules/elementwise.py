"""Elementwise operations: so many of each kind for every entry of the result."""

from collections.abc import Callable

from torch import Tensor

from snnvtg.energy.account import Counts
from snnvtg.energy.origin import Mark
from snnvtg.energy.rules.call import Call, counts


def each(**kinds: int) -> Callable[[Call], Counts]:
    """A rule: `kinds` operations for every entry of the result."""

    def rule(call: Call) -> Counts:
        return counts(**{kind: per_entry * call.numel for kind, per_entry in kinds.items()})

    return rule


def add(call: Call) -> Counts:
    """a + alpha·b; alpha other than ±1 multiplies.

    A parameter of one axis is a bias, which torch adds by itself where a Linear's input is transposed; to a sum of
    spikes it is added as in one operation with the product: a synapse of no accumulates.
    """
    scaled = call.kwargs.get("alpha", 1) not in (1, -1)
    made = counts(add=call.numel, mul=call.numel if scaled else 0)
    for operand, other in (call.args[:2], call.args[1::-1]):
        if isinstance(operand, Tensor) and operand.dim() == 1 < call.result.dim() and call.is_weight(operand):
            call.bias = operand
            if call.provenance.get(other) is Mark.SUM:
                return {"ac": (0, 0), **made}
    return made


def mul(call: Call) -> Counts:
    """A product; with a mask or spikes it is a choice by one bit."""
    left, right = call.args[:2]
    constant = not isinstance(left, Tensor) or not isinstance(right, Tensor) or 0 in (left.dim(), right.dim())
    if not constant and (call.is_binary(left) or call.is_binary(right)):
        return counts(select=call.numel)
    return counts(mul=call.numel)


def div(call: Call) -> Counts:
    """A quotient; by one number known beforehand a product, by one that was computed a reciprocal and products."""
    divisor = call.args[1]
    if not isinstance(divisor, Tensor):
        return counts(mul=call.numel)
    if divisor.dim() or call.numel == 1:
        return counts(div=call.numel)
    return counts(mul=call.numel, div=0 if call.provenance.get(divisor) is Mark.WEIGHT else 1)


def power(call: Call) -> Counts:
    """x**p: products for small whole numbers, roots for ±½, a reciprocal for −1, anything else exp(p·log x)."""
    (base, exponent), n = call.args[:2], call.numel
    if isinstance(exponent, Tensor):
        return counts(mul=n, exp=n, log=n if isinstance(base, Tensor) else 0)  # the logarithm of a literal is known
    if abs(exponent) in PRODUCTS:
        return counts(mul=n * PRODUCTS[abs(exponent)], div=n if exponent < 0 else 0)
    if abs(exponent) == 0.5:
        return counts(sqrt=n, div=n if exponent < 0 else 0)
    return counts(log=n, mul=n, exp=n)


PRODUCTS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 2}
"""multiplications of an entry's power"""


def clamp(call: Call) -> Counts:
    """One comparison a bound."""
    bounds = [call.arg(1, "min"), call.arg(2, "max")]
    return counts(compare=call.numel * sum(bound is not None for bound in bounds))


_SIGMOID = {"exp": 1, "add": 1, "div": 1}
_SIMPLE = {
    "add": "neg abs sign sgn floor ceil round trunc frac conj_physical",
    "compare": """
        eq ne lt le gt ge maximum minimum fmax fmin relu threshold isnan isinf isfinite isneginf isposinf signbit
        clamp_min clamp_max heaviside
        """,
    "select": "where masked_fill copysign nextafter",
    "logic": """
        logical_not logical_and logical_or logical_xor bitwise_not bitwise_and bitwise_or bitwise_xor
        bitwise_left_shift bitwise_right_shift __lshift__ __rshift__ __ilshift __irshift
        """,
    "random": """
        bernoulli uniform rand randn rand_like randn_like normal normal_functional randint randint_like random randperm
        """,
    "exp": "exp exp2",
    "log": "log log2 log10",
    "trig": "sin cos tan atan asin acos atan2 angle",
    "erf": "erf erfinv",
    "sqrt": "sqrt",
    "div": "reciprocal",
    "mul": "square deg2rad rad2deg",
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
    "mish": {"exp": 2, "add": 3, "log": 1, "compare": 1, "div": 1, "mul": 1},  # x · tanh(softplus(x))
    "glu": {**_SIGMOID, "mul": 1},
    "hardsigmoid": {"add": 1, "compare": 2, "mul": 1},
    "hardswish": {"add": 1, "compare": 2, "mul": 2},
    "leaky_relu": {"compare": 1, "mul": 1},
    "_prelu_kernel": {"compare": 1, "mul": 1},
    "elu": {"compare": 1, "exp": 1, "add": 1, "mul": 1},
    "celu": {"compare": 1, "exp": 1, "add": 1, "mul": 1},
    "xlogy": {"log": 1, "mul": 1},
    "hardtanh": {"compare": 2},
    "lerp": {"add": 2, "mul": 1},
    "addcmul": {"add": 1, "mul": 1},
    "addcdiv": {"add": 1, "mul": 1, "div": 1},
    "native_dropout": {"random": 1, "compare": 1, "select": 1, "mul": 1},
    "erfc": {"erf": 1, "add": 1},
    "sinh": {"exp": 1, "div": 1, "add": 1, "mul": 1},
    "cosh": {"exp": 1, "div": 1, "add": 1, "mul": 1},
    "asinh": {"log": 1, "sqrt": 1, "mul": 1, "add": 2},
    "acosh": {"log": 1, "sqrt": 1, "mul": 1, "add": 2},
    "atanh": {"log": 1, "div": 1, "mul": 1, "add": 2},
    "sinc": {"trig": 1, "div": 1, "mul": 1},
    "hypot": {"mul": 2, "add": 1, "sqrt": 1},
    "polar": {"trig": 2, "mul": 2},
    "logit": {"log": 1, "div": 1, "add": 1},
    "logaddexp": {"compare": 1, "add": 3, "exp": 1, "log": 1},
    "logaddexp2": {"compare": 1, "add": 3, "exp": 1, "log": 1},
    "nan_to_num": {"compare": 3, "select": 3},
    "hardshrink": {"compare": 2, "select": 1},
    "softshrink": {"compare": 2, "add": 1},
    "rrelu_with_noise": {"random": 1, "compare": 1, "mul": 1},
    "fmod": {"div": 1, "mul": 1, "add": 1},
    "_add_relu": {"add": 1, "compare": 1},
    "exponential": {"random": 1, "log": 1, "mul": 1},
    "poisson": {"random": 1, "exp": 1, "mul": 1, "compare": 1},
    "geometric": {"random": 1, "log": 1, "mul": 1},
    "cauchy": {"random": 1, "trig": 1, "mul": 1, "add": 1},
    "log_normal": {"random": 1, "exp": 1, "mul": 1, "add": 1},
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
