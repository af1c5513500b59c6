"""The Triton kernels without a GPU: `python tests/neurons/triton_checks.py` where triton is installed.

1. In Triton's interpreter they pass the conformance suite (blocks of 64, so that shapes end within a block).
2. They compile for sm_90 (H100, H200) in every variant, without a fused multiply-add, which would round differently.
Neither says anything about speed; that takes a GPU.
"""

import os
import re
import sys

import torch


def interpreted() -> None:
    """The conformance suite, the kernels run by Triton's interpreter on CPU tensors."""
    from snnvtg.neurons.backends import fused, fused_operator, fused_triton
    from snnvtg.neurons.conformance import CASES, CHECKS, Subject, run_check

    fused_triton.BLOCK = 64
    fused_operator.KERNELS["cpu"] = lambda direction, tensors, settings: (
        settings["neurons"] and fused_triton.launch(direction, tensors, settings)
    )
    # determinism of the interpreter says nothing about the device, and its size takes long here
    checks = [name for name in CHECKS if name != "deterministic"]
    results = [run_check(Subject(fused.FUSED), check, case) for check in checks for case in CASES]
    # here a scalar goes by value; on a device a learned one is read there
    fused_triton._kind = lambda parameter: fused_triton.PER_CHANNEL if parameter.dim() else fused_triton.ON_DEVICE
    results += [run_check(Subject(fused.FUSED), "one step", case) for case in ("learned beta", "learned threshold")]
    failed = [r for r in results if r.outcome != "passed"]
    assert not failed, failed
    print(f"1 interpreter: {len(results)} checks passed")


VARIANTS = [
    *({"steps": steps} for steps in (1, 4, 8, 16, 64)),
    *({"dtype": dtype} for dtype in (torch.bfloat16, torch.float16, torch.float64)),
    *({"surrogate": number} for number in range(10)),
    {"repeat": True, "mean": True},
    *({"truncate": 2, "given": "potential grad_potential", "steps": steps} for steps in (8, 64)),
    {"on_device": True, "given": "grad_beta grad_threshold"},
    {"repeat": True, "steps": 64},
    {"soft": True, "detach": False, "reset_to": 0.0, "steps": 64},
    {"detach": False, "reset_to": 0.25, "alpha": 1.7},
    {
        "beta_per_channel": True,
        "threshold_per_channel": True,
        "soft": True,
        "detach": False,
        "given": "state scale shift grad_state_out grad_state grad_beta grad_threshold grad_scale grad_shift",
    },
]


def compile_variant(direction: str, dtype=torch.float32, steps=8, given="", on_device=False, **changes) -> dict:
    """The text of one variant of one kernel for sm_90 at each stage of its compilation."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from snnvtg.neurons.backends import fused_triton, triton_kernels

    names = {torch.float32: "fp32", torch.float64: "fp64", torch.bfloat16: "bf16", torch.float16: "fp16"}
    state = torch.float64 if dtype == torch.float64 else torch.float32
    own = dict.fromkeys(("beta", "threshold", "state_out", *given.split()), state)
    own |= dict.fromkeys(("current", "out", "grad_out", "grad_current"), dtype)
    tensors = {name: torch.empty(1, dtype=kind) for name, kind in own.items()}
    flags = dict.fromkeys(("repeat", "mean", "soft", "truncate", "beta_per_channel", "threshold_per_channel"), False)
    settings = {"steps": steps, "reset_to": 0.0, "alpha": 2.0, "detach": True, "surrogate": 0} | flags | changes
    for name in ("beta", "threshold"):
        if not settings[f"{name}_per_channel"]:
            tensors[name] = tensors[name].squeeze()
    pointers, constants = fused_triton.arguments(direction, tensors, settings)
    if on_device:
        constants |= {"BETA": fused_triton.ON_DEVICE, "THRESHOLD": fused_triton.ON_DEVICE}
    signature = {name: "*" + names[own.get(name, state)] for name in pointers}
    signature |= dict.fromkeys(("steps", "neurons", "channels"), "i32")
    signature |= dict.fromkeys(("beta_bits", "threshold_bits"), "i64") | dict.fromkeys(constants, "constexpr")
    source = ASTSource(
        fn=getattr(triton_kernels, f"{direction}_kernel"),
        signature=signature,
        constexprs=constants,
        attrs={(i,): [["tt.divisibility", 16]] for i in (*range(len(pointers)), len(pointers) + 1)},
    )
    options = {"num_warps": fused_triton.WARPS, "enable_fp_fusion": False}
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm


def compiled() -> None:
    """Every variant compiles, and rounds after each operation."""
    for direction in ("forward", "backward"):
        for variant in VARIANTS:
            made = compile_variant(direction, **variant)
            ptx = made["ptx"]
            # steps times neurons leaves 32 bit at 2^28 neurons and T = 9
            assert not re.search(r"arith.muli .* : i32", made["ttir"]), (direction, variant)
            assert "fma.rn" not in ptx or variant.get("surrogate") in (1, 3, 6), (direction, variant)
    print(f"2 compiler: {2 * len(VARIANTS)} variants for sm_90")


if __name__ == "__main__":
    if "--interpret" in sys.argv:
        interpreted()
    elif "--compile" in sys.argv:
        compiled()
    else:
        # Triton reads the variable when it is imported, so the two halves need a process each
        for half, value in (("--interpret", "1"), ("--compile", "0")):
            os.environ["TRITON_INTERPRET"] = value
            if os.spawnv(os.P_WAIT, sys.executable, [sys.executable, __file__, half]):
                sys.exit(1)
