"""The model with its spiking detector against the model without, as salient distractors get stronger."""

import dataclasses
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError
from snnvtg.studies.measure import accuracy, cost, parameter_count
from snnvtg.studies.parallel import in_processes
from snnvtg.studies.runs import code_digest, trained
from snnvtg.studies.table import ResultsTable
from snnvtg.training import Preset

KEY = ("model", "distractor_strength", "seed")
COLUMNS = [
    "model",
    "data",
    "split",
    "distractor_strength",
    "seed",
    "R1@0.3",
    "R1@0.5",
    "R1@0.7",
    "mIoU",
    "firing_rate",
    "energy_pj",
    "parameters",
]


@dataclass(frozen=True)
class Job:
    """One model at one strength; every strength shows the same scenes."""

    preset: Preset
    strength: float
    use_ssd: bool
    seed: int

    @property
    def key(self) -> dict[str, Any]:
        """What tells its row apart."""
        model = "spikemba" if self.use_ssd else "without-ssd"
        return {"model": model, "distractor_strength": self.strength, "seed": self.seed}


def run_distractors(
    preset: Preset,
    strengths: Sequence[float],
    seeds: Sequence[int],
    out: Path,
    runs: Path,
    *,
    device: str,
    workers: int,
) -> ResultsTable:
    """Train and measure every model at every strength of the synthetic distractors; write `out` after each."""
    if any(strength < 0 for strength in strengths):
        raise InputError(f"strengths: expected numbers of at least 0, got {list(strengths)}")
    started = time.monotonic()
    identity = {"study": "distractors", "data": SyntheticConfig(), "preset": preset, "code": code_digest()}
    table = ResultsTable(out, identity, KEY, COLUMNS)
    jobs = [Job(preset, strength, ssd, seed) for seed in seeds for strength in strengths for ssd in (True, False)]
    jobs = [job for job in jobs if not table.holds(**job.key)]
    for row in in_processes(functools.partial(_run, runs=runs, device=device), jobs, dict, workers):
        table.add([row], wall_seconds=round(time.monotonic() - started, 1))
    return table


def _run(_: Any, job: Job, *, runs: Path, device: str) -> dict[str, Any]:
    data = generate(SyntheticConfig(distractor_strength=job.strength))
    config = dataclasses.replace(job.preset.model, use_ssd=job.use_ssd)
    checkpoint = trained(runs, "spikemba", config, job.preset.training, data, seed=job.seed, device=device)
    model = checkpoint.build().to(device)
    measured = {**accuracy(model, data.test, device), **cost(model, data.test, device)}
    figures = {**measured, "parameters": parameter_count(model)}
    return {**job.key, "data": data.name, "split": "test", **figures}
