"""Complex numbers: what each operation on them is in real ones; transforms."""

import math

from snnvtg.energy.account import Counts
from snnvtg.energy.rules.call import Call, counts

IN_REALS = {
    "mac": {"mac": 4},
    "ac": {"ac": 2},
    "mul": {"mul": 4, "add": 2},
    "add": {"add": 2},
    "div": {"mul": 6, "add": 3, "div": 2},
    "exp": {"exp": 1, "trig": 2, "mul": 2},
    "log": {"log": 1, "trig": 1, "mul": 2, "add": 1},
    "sqrt": {"sqrt": 2, "mul": 2, "add": 2},
    "trig": {"trig": 2, "exp": 2, "mul": 2},
}
"""(a + bi)(c + di) takes four products and two sums; kinds not listed take one each, as of real numbers"""


def in_reals(made: Counts) -> Counts:
    """Counts of complex operations as real ones."""
    found: Counts = {}
    for kind, (effective, dense) in made.items():
        for real, each in IN_REALS.get(kind, {kind: 1}).items():
            before = found.get(real, (0, 0))
            found[real] = before[0] + each * effective, before[1] + each * dense
    return found


def transform(call: Call) -> Counts:
    """A radix-2 FFT over rows of n: n/2·log2 n butterflies of one complex product and two sums; half for real ends."""
    entries = max(call.args[0].numel(), call.numel)
    n = math.prod(max(call.args[0].shape[axis], call.result.shape[axis]) for axis in call.args[1])
    butterflies = entries * math.ceil(math.log2(max(n, 2))) // 2
    if call.name != "_fft_c2c":
        butterflies //= 2
    return counts(mul=4 * butterflies, add=6 * butterflies)


TRANSFORMS = {"_fft_c2c": transform, "_fft_r2c": transform, "_fft_c2r": transform}
"""already in real operations"""
