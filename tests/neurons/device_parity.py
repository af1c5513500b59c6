"""The fused LIF kernels on a device: every variant that triton_checks.py compiles, and the whole conformance suite.

    python tests/neurons/device_parity.py --device cuda
    python tests/neurons/device_parity.py --device cpu        # the kernels in Triton's interpreter

Exit status 1 where anything differs from the reference.
"""

import argparse
import functools
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from snnvtg.neurons import LIFParameters, lif, lif_reference
from snnvtg.neurons.conformance import CASES, CHECKS, Subject, run_check
from snnvtg.neurons.conformance.checks import close
from snnvtg.neurons.lif import state_dtype
from snnvtg.neurons.surrogate import SURROGATES
from tests import device_jobs
from tests.neurons.triton_checks import VARIANTS

RELATIVE = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 1e-2, torch.float16: 2e-3}


def parameters(variant: dict) -> LIFParameters:
    """The neuron whose kernels are this variant."""
    numbers = {surrogate.number: name for name, surrogate in SURROGATES.items()}
    return LIFParameters(
        beta=0.6,
        reset="soft" if variant.get("soft") else "hard",
        v_reset=variant.get("reset_to", 0.0),
        detach_reset=variant.get("detach", True),
        surrogate=numbers[variant.get("surrogate", 0)],
        surrogate_alpha=variant.get("alpha", 2.0),
        learn_beta=variant.get("beta_per_channel", False),
        learn_threshold=variant.get("threshold_per_channel", False),
        truncate=variant.get("truncate"),
    )


def tensors(variant: dict, device: str) -> dict[str, torch.Tensor]:
    """What the variant is given: 3 × 301 neurons, the same numbers on every device."""
    steps, dtype, channels = variant.get("steps", 8), variant.get("dtype", torch.float32), 301
    names, state = variant.get("given", "").split(), state_dtype(dtype)
    shape = (3, channels) if variant.get("repeat") else (steps, 3, channels)
    made = {"current": (torch.randn(shape, dtype=torch.float64) + 0.5).to(dtype)}
    if "state" in names:
        made["v"] = torch.randn(3, channels, dtype=torch.float64).to(state)
    for name, key, value in (("beta", "beta", 0.6), ("threshold", "v_threshold", 1.0)):
        if variant.get(f"{name}_per_channel"):
            made[key] = (value + 0.05 * torch.randn(channels, dtype=torch.float64)).to(state)
        elif variant.get("on_device"):
            made[key] = torch.tensor(value, dtype=state)
    if "scale" in names:
        made["scale"] = 1 + 0.1 * torch.randn(channels, dtype=torch.float64).to(state)
        made["shift"] = 0.1 * torch.randn(channels, dtype=torch.float64).to(state)
    return {name: t.to(device).requires_grad_() for name, t in made.items()}


def traced(variant: dict) -> bool:
    """Whether the variant returns potentials."""
    return "grad_potential" in variant.get("given", "")


def reference(variant: dict, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """What the loop gives for the same tensors."""
    rest = {name: t for name, t in given.items() if name in ("v", "beta", "v_threshold")}
    current = given["current"]
    if "scale" in given:
        current = current * given["scale"] + given["shift"]
    if variant.get("repeat"):
        current = current.expand(variant.get("steps", 8), *current.shape)
    spikes, *more = lif_reference(current, parameters(variant), return_potential=traced(variant), **rest)
    return (spikes.mean(0) if variant.get("mean") else spikes), *more


def fused(variant: dict, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """What the fused kernels give."""
    steps = variant.get("steps", 8) if variant.get("repeat") else None
    reduction = "mean" if variant.get("mean") else "none"
    options = {"num_timesteps": steps, "reduction": reduction, "return_potential": traced(variant)}
    return lif(parameters=parameters(variant), backend="fused", **options, **given)


def compare(variant: dict, device: str) -> None:
    """Raise where spikes, state or a gradient of `fused` on `device` leave the reference on the CPU."""
    mine, theirs = (answer(variant, run, place) for run, place in ((fused, device), (reference, "cpu")))
    relative = RELATIVE[variant.get("dtype", torch.float32)]
    for name, expected in theirs.items():
        exact = name == "spikes" and not variant.get("mean")
        close(name, mine[name], expected, 0 if exact else relative)


def answer(variant: dict, run, device: str) -> dict[str, torch.Tensor]:
    """Spikes, state and gradients by `run`, on the CPU."""
    torch.manual_seed(0)
    given = tensors(variant, device)
    results = run(variant, given)
    # where no gradient comes from the state, the kernel is another one
    used = [results[0], *([results[1]] if "grad_state_out" in variant.get("given", "") else []), *results[2:]]
    weights = [torch.cos(torch.arange(t.numel(), dtype=torch.float64)).view(t.shape).to(t) for t in used]
    loss = sum((t * w).sum() for t, w in zip(used, weights, strict=True))
    gradients = torch.autograd.grad(loss, list(given.values()))
    named = dict(zip(("spikes", "state", "potentials"), results, strict=False))
    named |= {f"gradient of {name}": g for name, g in zip(given, gradients, strict=True)}
    return {name: t.detach().cpu() for name, t in named.items()}


def check(argument: tuple, device: str) -> None:
    """One variant, or one check of the conformance suite on one kind of neuron."""
    from snnvtg.neurons.backends.fused import FUSED

    kind, *what = argument
    if kind == "variant":
        compare(what[0], device)
    else:
        result = run_check(Subject(FUSED, device), *what)
        if result.outcome != "passed":
            raise AssertionError(result.detail)


def prepare(device: str) -> None:
    """On a CPU the kernels are Triton's, interpreted, in blocks that shapes end within."""
    if device == "cpu":
        from snnvtg.neurons.backends import fused_operator, fused_triton

        fused_triton.BLOCK = 64
        fused_operator.KERNELS["cpu"] = lambda direction, given, settings: (
            settings["neurons"] and fused_triton.launch(direction, given, settings)
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--every", type=int, default=1, help="take every n-th check of the conformance suite only")
    options = parser.parse_args()
    device = options.device
    if device == "cpu":
        device_jobs.interpret()
    # the interpreter says nothing of what a device repeats
    checks = [name for name in CHECKS if device == "cuda" or name != "deterministic"]
    jobs = [(f"variant {variant}", ("variant", variant)) for variant in VARIANTS]
    suite = [(f"{name} · {case}", ("conformance", name, case)) for name in checks for case in CASES]
    jobs += suite[:: options.every]
    return device_jobs.run(functools.partial(check, device=device), jobs, functools.partial(prepare, device))


if __name__ == "__main__":
    sys.exit(main())
