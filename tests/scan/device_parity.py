"""The scans on a device against the reference in float64: every switch of the kernels alone, and all of them together.

    python tests/scan/device_parity.py --device cuda --backends triton torch mamba-ssm
    python tests/scan/device_parity.py --device cpu --backends triton      # the kernels in Triton's interpreter

What a backend refuses (mamba-ssm: float64, an initial state, the state's gradient) is counted apart. Exit status 1
where anything differs, or nothing could be compared.
"""

import argparse
import functools
import itertools
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from snnvtg.scan import ScanInputs, bidirectional_selective_scan, selective_scan
from tests import device_jobs
from tests.scan.cases import assert_all_close, direction

OPTIONAL = ("D", "delta_bias", "initial_state")
SWITCHES = ("softplus", "reverse", "z", "mask", "state", "gradients", "both", *OPTIONAL)
SHAPES = ((2, 35, 33, 16), (1, 1, 1, 1), (3, 75, 40, 5))  # batch, length, channels, states
TOLERANCE = {torch.float64: 1e-10, torch.float32: 5e-4, torch.bfloat16: 3e-2}


def combinations() -> list[frozenset[str]]:
    """No switch, every switch, each alone, each alone with gradients, and all but each."""
    every, single = frozenset(SWITCHES), [frozenset({switch}) for switch in SWITCHES]
    found = [frozenset(), every, every - {"both"}, *single, *(one | {"gradients"} for one in single)]
    found += [kind - one for kind in (every, every - {"both"}) for one in single]
    # both directions at once have a mask and a gate, and no state
    found = [on - {"initial_state", "state", "reverse"} if "both" in on else on for on in found]
    return list(dict.fromkeys(found))


def drawn(on: frozenset[str], shape: tuple[int, ...], generator: torch.Generator) -> ScanInputs:
    """One direction's inputs; without softplus the steps are positive as they are."""
    x = direction(generator, *shape)
    if "softplus" not in on:
        x = replace(x, delta=x.delta.abs() / 10, delta_bias=x.delta_bias.abs() / 10, delta_softplus=False)
    return replace(x, **{name: None for name in OPTIONAL if name not in on})


def answer(on: frozenset[str], shape: tuple[int, ...], rounded: torch.dtype, backend: str, device: str) -> list:
    """y, and where asked for the last state and every gradient, of inputs rounded to a type.

    The reference computes in float64, the others in that type.
    """
    generator = torch.Generator().manual_seed(0)

    def moved(t: torch.Tensor | None) -> torch.Tensor | None:
        dtype = torch.float64 if backend == "reference" else rounded
        return None if t is None else t.detach().to(rounded).to(device, dtype).requires_grad_("gradients" in on)

    directions = [drawn(on, shape, generator) for _ in range(1 + ("both" in on))]
    directions = [ScanInputs(*map(moved, x.tensors[:7]), x.delta_softplus, moved(x.initial_state)) for x in directions]
    z = moved(torch.randn(shape[:3], generator=generator, dtype=torch.float64)) if "z" in on else None
    shared = {"valid_mask": (torch.rand(shape[:2], generator=generator) > 0.3).to(device) if "mask" in on else None}
    shared["backend"] = backend
    if "both" in on:
        results = [bidirectional_selective_scan(*directions, z=z, **shared)]
    else:
        x = directions[0]
        options = {"delta_softplus": x.delta_softplus, "initial_state": x.initial_state, "reverse": "reverse" in on}
        y = selective_scan(x.u, x.delta, x.A, x.B, x.C, x.D, z, x.delta_bias,
                           return_state="state" in on, **options, **shared)  # fmt: skip
        results = list(y) if "state" in on else [y]
    inputs = [t for t in (*itertools.chain(*(x.tensors for x in directions)), z) if t is not None]
    gradients = ()
    if "gradients" in on:
        weights = [
            torch.cos(torch.arange(t.numel(), device=device, dtype=torch.float64)).view(t.shape) for t in results
        ]
        loss = sum((t * w).sum() for t, w in zip(results, weights, strict=True))
        gradients = torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)
    return [t.detach().cpu() for t in (*results, *gradients)]


def check(argument: tuple, device: str) -> None:
    """One combination on one backend."""
    backend, on, shape, dtype = argument
    # where the kernels are interpreted they stand in for those of the CPU
    name = "cpu" if (backend, device) == ("triton", "cpu") else backend
    mine = answer(on, shape, dtype, name, device)
    assert_all_close(mine, answer(on, shape, dtype, "reference", "cpu"), TOLERANCE[dtype])


def prepare(device: str) -> None:
    """On a CPU the kernels are Triton's, interpreted."""
    if device == "cpu":
        from snnvtg.scan import operator, triton_scan

        operator.KERNELS["cpu"] = triton_scan


def jobs(backends: list[str], every: int) -> list[device_jobs.Job]:
    """Each combination at one shape in every type, and at the other shapes in float32."""
    kinds = [(SHAPES[0], dtype) for dtype in TOLERANCE] + [(shape, torch.float32) for shape in SHAPES[1:]]
    all_of_them = [
        (f"{backend} {shape} {dtype} {' '.join(sorted(on)) or 'no switch'}", (backend, on, shape, dtype))
        for backend, (shape, dtype), on in itertools.product(backends, kinds, combinations())
    ]
    return all_of_them[::every]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--backends", nargs="+", default=["triton", "torch"])
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth check")
    given = parser.parse_args()
    if given.device == "cpu":
        device_jobs.interpret()
    checks = jobs(given.backends, given.every)
    return device_jobs.run(
        functools.partial(check, device=given.device), checks, functools.partial(prepare, given.device)
    )


if __name__ == "__main__":
    sys.exit(main())
