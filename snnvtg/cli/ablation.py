"""Which part of a model earns its keep, and at what energy: declared sweeps, trained, measured and compared.

    python experiments/ablation.py                               # synthetic data, about 10 minutes on 2 cores
    python experiments/ablation.py --data FOLDER --seeds 0 1 2   # your features
    python experiments/ablation.py --sweeps table4 my_own.yaml   # a sweep is a small file, see README
    python experiments/ablation.py --data FOLDER --over-folds 4  # every query of the folder, not the test split alone
    python experiments/ablation.py --render                      # tables and figures from the CSVs, nothing is run

Writes into --out for each sweep NAME.csv (a row per model and seed), NAME_queries.csv (each query's figures, enough to
compute every comparison again), NAME.json (provenance), NAME.md, NAME.tex and NAME.png. Interrupted, the same command
resumes. A model that several rows share is trained once.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from snnvtg.cli.command import run
from snnvtg.cli.options import SweepOptions
from snnvtg.errors import InputError
from snnvtg.models import model_class
from snnvtg.sweeps.trial import check_seeds

if TYPE_CHECKING:
    from snnvtg.models import GroundingModel
    from snnvtg.sweeps.declaration import Sweep
    from snnvtg.sweeps.trial import Trial

QUICK = ("training.epochs=8",)
"""where neither data nor preset is chosen: demo trains for 8 epochs instead of 12, so that all ends in minutes"""


@dataclass(frozen=True)
class Options(SweepOptions):
    """Run sweeps. Without --data and --preset: the demo preset with 8 epochs, for a result in minutes."""

    sweeps: tuple[str, ...] = ()
    """files, or names of the model's own sweeps; none: those the model is usually shown by"""
    seeds: tuple[int, ...] = ()
    """instead of those the files give"""
    grid: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """other values of an axis of the sweeps: KEY=VALUE,VALUE"""
    controls: tuple[str, ...] | None = None
    """instead of those the files give: shuffled-query, other-video, shuffled-clips, constant-video"""
    over_folds: int | None = None
    """divide all videos of all splits into so many folds: each is answered by models trained on the others; the next
    fold chooses the epoch"""
    out: Path = Path("reports")
    """folder of the tables"""
    render: bool = False
    """only write Markdown, LaTeX and figures from the CSVs that are there"""

    def check(self) -> None:
        """As PoolOptions; InputError for seeds that repeat or are none, and for a sweep's file that is not there."""
        super().check()
        for name in self.sweeps:
            if Path(name).suffix in (".yaml", ".yml") and not Path(name).is_file():
                raise InputError(f"--sweeps: no file {name!r}; name a file, or a sweep of the model")
        if self.over_folds is not None and not 3 <= self.over_folds <= 1000:
            raise InputError(f"--over-folds: expected a number from 3 to 1000, got {self.over_folds}")
        if self.seeds:
            check_seeds(self.seeds, "--seeds")


def main(options: Options) -> None:
    """Run the sweeps unless told not to, then write tables and figures."""
    from snnvtg.sweeps.engine import run_sweeps
    from snnvtg.sweeps.over_folds import run_over_folds
    from snnvtg.sweeps.plan_report import compared
    from snnvtg.sweeps.progress import PLAN
    from snnvtg.sweeps.report import failures_in_words, render
    from snnvtg.sweeps.request import awaited

    pool = options.pool()
    sweeps, base, paths, note = asked(options)
    tables = []
    if options.over_folds and not options.render:
        tables = run_over_folds(sweeps, base, paths, options.over_folds, note=note, **pool)
    elif not options.render:
        tables = run_sweeps(sweeps, base, paths, note=note, **pool)
    if awaited(tables):  # jobs of a cluster
        return
    for path in paths:
        print(render(path))
    if tables and (plan := options.out / PLAN).is_file():
        print(compared(plan, pool["runs"], options.out))
    failures_in_words(tables)


def asked(options: Options) -> "tuple[list[Sweep], Trial, list[Path], str]":
    """The sweeps that the options name, what they change something of, their tables, and a note of what is changed."""
    cls = model_class(options.model)
    sweeps = [adapted(declared(name, cls), options) for name in options.sweeps or cls.ablations]
    if not sweeps:
        raise InputError(f"--sweeps: {cls.__name__} has none of its own that are usually run; name a file")
    quick = QUICK if options.preset == "default" and options.source.is_synthetic else ()
    changed = [*quick, *options.set]
    note = f"Changed of the preset: {', '.join(changed)}" if changed else ""
    return sweeps, options.base(quick), [options.out / f"{sweep.name}.csv" for sweep in sweeps], note


def declared(name: str, cls: "type[GroundingModel]") -> "Sweep":
    """The sweep of a file, or of a name among the model's own."""
    from snnvtg.sweeps.reader import parse_sweep, read_sweep

    text = cls.sweep(name) if name in cls.sweeps() else None
    if text is not None:
        return parse_sweep(text, f"{name}.yaml")
    if not Path(name).is_file():
        raise InputError(f"--sweeps: no file {name!r}, and {cls.__name__} has {', '.join(cls.sweeps()) or 'none'}")
    return read_sweep(Path(name))


def adapted(sweep: "Sweep", options: Options) -> "Sweep":
    """The sweep with the options' seeds, axes and controls."""
    from snnvtg.sweeps.declaration import axis_values, grid_sweep

    if options.grid:
        axes = dict(sweep.grid)
        for entry in options.grid:
            key, _, values = entry.partition("=")
            if key not in axes:
                raise InputError(f"--grid {entry}: {sweep.name} has the axes {', '.join(axes) or 'none'}")
            axes[key] = axis_values(values)
        grid = grid_sweep(sweep.name, sweep.title, axes)
        rows = (*sweep.declared_rows, *grid.rows)
        reference = sweep.reference if sweep.reference in [row.name for row in rows] else None
        sweep = replace(sweep, rows=rows, grid=grid.grid, reference=reference)
    if options.controls is not None:
        sweep = sweep.with_controls(options.controls)
    return replace(sweep, seeds=options.seeds) if options.seeds else sweep


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
