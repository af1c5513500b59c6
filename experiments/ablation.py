"""Which part of SpikeMba earns its keep, and at what energy: declared sweeps, trained, measured and compared.

    python experiments/ablation.py                               # synthetic data, about 10 minutes on 2 cores
    python experiments/ablation.py --data FOLDER --seeds 0 1 2   # your features
    python experiments/ablation.py --sweeps table4 my_own.yaml   # a sweep is a small file, see experiments/sweeps
    python experiments/ablation.py --render                      # tables and figures from the CSVs, nothing is run

Writes into --out for each sweep NAME.csv (a row per model and seed), NAME_queries.csv (each query's overlap, enough to
compute every comparison again), NAME.json (provenance), NAME.md, NAME.tex and NAME.png. Interrupted, the same command
resumes. A model that several rows share is trained once.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from snnvtg.command import run
from snnvtg.errors import InputError
from snnvtg.studies.ablation import run_sweeps
from snnvtg.studies.ablation_tables import render
from snnvtg.studies.declaration import Sweep, read_sweep
from snnvtg.studies.options import DataOptions, PoolOptions, PresetOptions
from snnvtg.training import Preset

SWEEPS = Path(__file__).parent / "sweeps"
QUICK = ("training.epochs=8",)
"""where neither data nor preset is chosen: demo trains for 8 epochs instead of 12, so that all ends in minutes"""


@dataclass(frozen=True)
class Options(DataOptions, PresetOptions, PoolOptions):
    """Run ablation sweeps. Without --data and --preset: the demo preset with 8 epochs, for a result in minutes."""

    sweeps: tuple[str, ...] = ("table4", "figure3", "neuron")
    """files, or names of files in experiments/sweeps"""
    seeds: tuple[int, ...] = ()
    """instead of those the files give"""
    split: Literal["val", "test"] = "test"
    out: Path = Path("reports")
    """folder of the tables"""
    render: bool = False
    """only write Markdown, LaTeX and figures from the CSVs that are there"""

    def chosen(self, data: Path | None) -> Preset:
        """The preset with its overrides."""
        quick = QUICK if self.preset == "default" and data is None else ()
        return PresetOptions.chosen(replace(self, set=(*quick, *self.set)), data)


def main(options: Options) -> None:
    """Run the sweeps unless told not to, then write tables and figures."""
    pool = options.pool()
    sweeps = [declared(name, options.seeds) for name in options.sweeps]
    failures = {}
    if not options.render:
        preset = options.chosen(options.data)
        tables = run_sweeps(sweeps, preset, options.loader(), options.out, split=options.split, **pool)
        failures = {f"{t.sweep.name}: {row}": reason for t in tables for row, reason in t.failures.items()}
    for sweep in sweeps:
        print(render(options.out / f"{sweep.name}.csv"))
    if failures:
        reasons = "; ".join(f"{row}: {reason}" for row, reason in failures.items())
        raise InputError(f"{len(failures)} rows have no figures, all others are written. {reasons}")


def declared(name: str, seeds: tuple[int, ...]) -> Sweep:
    """The sweep of a file, or of a name in experiments/sweeps, with other seeds where some are given."""
    known = sorted(path.stem for path in SWEEPS.glob("*.yaml"))
    path = SWEEPS / f"{name}.yaml" if name in known else Path(name)
    if not path.is_file():
        raise InputError(f"sweeps: no file {name!r}, and no such name; known: {', '.join(known)}")
    if len(set(seeds)) != len(seeds) or any(seed < 0 for seed in seeds):
        raise InputError(f"seeds: expected distinct numbers of at least 0, got {list(seeds)}")
    inside = path.is_relative_to(Path.cwd())
    sweep = read_sweep(path.relative_to(Path.cwd()) if inside else path)
    return replace(sweep, seeds=seeds) if seeds else sweep


if __name__ == "__main__":
    run(Options, main, __doc__)
