"""The Triton kernels without a GPU: `python tests/scan/triton_checks.py` where triton is installed.

1. In Triton's interpreter they give the reference's values, states and gradients.
2. They compile for sm_90 (H100, H200) in every variant.
Neither says anything about speed; that takes a GPU.
"""

import itertools
import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))


def interpreted() -> None:
    """The kernels run by Triton's interpreter on CPU tensors, against the reference."""
    from snnvtg.scan import operator, triton_scan
    from tests.scan import cases

    operator.KERNELS["cpu"] = triton_scan
    count = 0
    shapes = [(2, 19, 33, 16), (1, 1, 1, 1), (2, 5, 40, 5), (1, 33, 7, 8)]
    for shape, masked, reverse, full in itertools.product(shapes, *[(False, True)] * 3):
        generator = torch.Generator().manual_seed(count)
        x = cases.direction(generator, *shape, initial=full, optional=full)
        z = torch.randn(*shape[:3], generator=generator, dtype=torch.float64).requires_grad_() if full else None
        mask = torch.rand(*shape[:2], generator=generator) > 0.3 if masked else None
        given = (x, z, mask, reverse)
        expected = cases.values_and_gradients("reference", *given)
        cases.assert_all_close(cases.values_and_gradients("cpu", *given), expected, 1e-10)
        both = (x, cases.direction(generator, *shape, initial=full, optional=full), z, mask)
        expected = cases.bidirectional_values_and_gradients("reference", *both)
        cases.assert_all_close(cases.bidirectional_values_and_gradients("cpu", *both), expected, 1e-10)
        count += 2
    x = cases.direction(torch.Generator().manual_seed(0), 2, 20, 40, 16, dtype=torch.float32)
    expected = cases.values_and_gradients("reference", x, None, None, False)
    cases.assert_all_close(cases.values_and_gradients("cpu", x, None, None, False), expected, 2e-5)
    print(f"1 interpreter: {count + 1} comparisons passed")


def compiled() -> None:
    """Each kernel with all its switches off, all on, and each one on alone, for sm_90."""
    from snnvtg.scan import triton_kernels

    count = 0
    for name, switches in SWITCHES.items():
        kernel = getattr(triton_kernels, name)
        for on in [(), tuple(switches), *((switch,) for switch in switches)]:
            for kind in ("fp32", "fp64") if len(on) != 1 else ("fp32",):
                flags = {switch: switch in on for switch in switches}
                assert ".visible .entry" in _ptx(kernel, kind, {"STATES": 16, "WIDTH": 32, "CHUNK": 16, **flags})
                count += 1
    print(f"2 compiler: {count} variants for sm_90")


SWITCHES = {
    "forward_kernel": (
        *("SOFTPLUS", "REVERSE", "ADD", "GATE", "STORE_Y", "KEEP"),
        *("HAS_D", "HAS_BIAS", "HAS_INITIAL", "HAS_MASK"),
    ),
    "backward_kernel": (
        *("SOFTPLUS", "REVERSE", "GATE", "STORE_Z"),
        *("HAS_D", "HAS_BIAS", "HAS_LAST", "HAS_MASK"),
    ),
}
SIZES = ("batch", "length", "channels", "states", "checkpoint_row")


def _ptx(kernel, kind: str, constants: dict) -> str:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature = {}
    for name in kernel.arg_names:
        if name in constants:
            signature[name] = "constexpr"
        elif name in SIZES:
            signature[name] = "i32"
        else:
            signature[name] = "*u8" if name == "mask" else f"*{kind}"
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1}).asm["ptx"]


if __name__ == "__main__":
    if os.environ.get("TRITON_INTERPRET") != "1":
        compiled()
        # the interpreter has to be asked for before triton is imported
        os.environ["TRITON_INTERPRET"] = "1"
        os.execv(sys.executable, [sys.executable, __file__])
    interpreted()
