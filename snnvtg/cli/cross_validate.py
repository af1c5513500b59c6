"""How good is a setting, without opening the test split: cross-validation over the training videos.

    python experiments/tools/cross_validate.py --data FOLDER                          # 4 folds of the preset `small`
    python experiments/tools/cross_validate.py --data FOLDER --set model.alignment=none --out reports/without.csv

Every training query is answered once, by a model that has not seen its video; the validation split chooses the epoch.
Writes one row per fold and seed, each query's figures, and provenance beside them. Interrupted, the same command
resumes.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from snnvtg.cli.command import run
from snnvtg.cli.options import SweepOptions, require_csv
from snnvtg.errors import InputError
from snnvtg.sweeps.trial import check_seeds


@dataclass(frozen=True)
class Options(SweepOptions):
    """Cross-validate one setting of a model."""

    num_folds: int = 4
    seeds: tuple[int, ...] = (0,)
    out: Path = Path("reports/cross_validation.csv")

    def check(self) -> None:
        """As PoolOptions; InputError for seeds, folds or a table that cannot be."""
        super().check()
        require_csv(self.out)
        check_seeds(self.seeds, "--seeds")
        if not 2 <= self.num_folds <= 1000:
            raise InputError(f"--num-folds: expected a number from 2 to 1000, got {self.num_folds}")


def main(options: Options) -> None:
    """Run the folds, print their mean over all queries."""
    import numpy as np

    from snnvtg.sweeps.comparison import read_results
    from snnvtg.sweeps.declaration import grid_sweep
    from snnvtg.sweeps.engine import run_sweeps
    from snnvtg.sweeps.report import failures_in_words
    from snnvtg.sweeps.request import awaited
    from snnvtg.terminal import table_text

    pool, out = options.pool(), options.out
    base = options.base()
    base = replace(base, data=replace(base.data, folds=options.num_folds))
    folds = tuple(map(str, range(options.num_folds)))
    sweep = grid_sweep("cross_validation", "Training videos held out in turn", {"data.fold": folds})
    tables = run_sweeps([replace(sweep, seeds=options.seeds)], base, [out], **pool)
    if awaited(tables):  # jobs of a cluster
        return
    results = read_results(out)
    shown = [*results.evaluation.shown]
    own = results.table[results.table["seed"].notna()]
    print(table_text(own[["seed", "fold", *shown]], "{:.1f}".format))
    trained = results.queries[results.queries["seed"].notna()]
    queries = [
        len(trained[(trained["row"] == r) & (trained["seed"] == s)])
        for r, s in zip(own["row"], own["seed"], strict=True)
    ]
    means = np.average(own[shown].astype(float), axis=0, weights=queries)
    figures = " · ".join(f"{name} {mean:.1f}" for name, mean in zip(shown, means, strict=True))
    data = base.data.load().name
    print(f"{data}, training videos held out in turn, {sum(queries)} answers: {figures}; wrote {out}")
    failures_in_words(tables)


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
