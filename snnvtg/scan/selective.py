"""`selective_scan` and its bidirectional form: one function for every backend."""

from dataclasses import replace

import torch
from torch import Tensor

from snnvtg.backends import Backend, Operation, only_on
from snnvtg.leaf_ops import leaf_op
from snnvtg.scan import cpu_kernels, external, numba_scan, operator, portable, reference, triton_scan
from snnvtg.scan.inputs import Scan, ScanInputs, check, numbered
from snnvtg.scan.transforms import forward_mode


def _cpu_missing(device_type: str) -> list[str]:
    return only_on("cpu")(device_type) or cpu_kernels.build_problems()


def _refuses(scan: Scan) -> list[str]:
    return forward_mode()


def _triton_refuses(scan: Scan) -> list[str]:
    packed = [] if scan.seq_idx is None else ["it has no packed sequences (seq_idx)"]
    return packed + forward_mode()


BACKENDS = (
    Backend("reference", reference.run),
    Backend("cpu", operator.run, cpu_kernels.REMEDY, _cpu_missing, _refuses),
    Backend("numba", portable.run_numba, numba_scan.REMEDY, numba_scan.missing, numba_scan.refuses),
    Backend("torch", portable.run_torch, refuses=_refuses),
    Backend("triton", operator.run, triton_scan.REMEDY, triton_scan.missing, _triton_refuses),
    Backend("mamba-ssm", external.run_scan, external.SCAN_REMEDY, external.scan_missing, external.scan_refuses),
)
PREFERENCE = {"cpu": ("cpu", "numba", "torch", "reference"), "cuda": ("mamba-ssm", "triton", "torch", "reference")}
SELECTIVE_SCAN = Operation("selective_scan", BACKENDS, PREFERENCE, ("torch", "reference"))


@leaf_op("selective_scan")
def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    *,
    delta_softplus: bool = True,
    initial_state: Tensor | None = None,
    valid_mask: Tensor | None = None,
    reverse: bool = False,
    seq_idx: Tensor | None = None,
    return_state: bool = False,
    backend: str = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """Mamba's selective scan, channels last.

    h_t = exp(δ_t A) h_{t-1} + δ_t B_t u_t, y_t = (C_t·h_t + D u_t) silu(z_t), δ = softplus(delta + delta_bias).

    Shapes: u, delta, z (B, L, D); A (D, N), negative; B, C (B, L, N), or (B, L, G, N) for G groups of D / G channels;
    D, delta_bias (D,); initial_state (B, D, N); valid_mask (B, L), bool: an invalid position leaves the state and gives
    0; seq_idx (B, L), integers: where it changes along a row the next sequence begins, from a state of zeros. `reverse`
    runs from the last position to the first. Returns y (B, L, D) in u's type, with `return_state` also the last state
    (B, D, N). float64 is computed in float64, all else in float32. Source: Gu and Dao 2023, Algorithm 2, as discretised
    in their code.
    Raises InputError on a wrong shape, BackendError where the backend named cannot run.
    """
    inputs = ScanInputs(u, delta, A, B, C, D, delta_bias, delta_softplus, initial_state)
    scan = Scan((inputs,), (reverse,), z, valid_mask, return_state, seq_idx)
    y, states = _run(scan, backend)
    return (y, states[0]) if return_state else y


@leaf_op("bidirectional_selective_scan")
def bidirectional_selective_scan(
    forward: ScanInputs,
    backward: ScanInputs,
    *,
    z: Tensor | None = None,
    valid_mask: Tensor | None = None,
    seq_idx: Tensor | None = None,
    backend: str = "auto",
) -> Tensor:
    """The sum (B, L, D) of a scan from first to last and one from last to first, gated once by silu(z)."""
    return _run(Scan((forward, backward), (False, True), z, valid_mask, seq_idx=seq_idx), backend)[0]


def _run(scan: Scan, backend: str) -> tuple[Tensor, list[Tensor]]:
    check(scan)
    if scan.seq_idx is not None:
        # two sequences may be called the same, and what lies between them be padding
        scan = replace(scan, seq_idx=numbered(scan.seq_idx))
    parts = scan.by_groups()
    ran = [SELECTIVE_SCAN.choose(backend, part.device.type, part).run(part) for part in parts]
    if len(ran) == 1:
        return ran[0]
    outputs, states = zip(*ran, strict=True)
    return torch.cat(outputs, -1), [torch.cat(state, 1) for state in zip(*states, strict=True)]
