"""How good is a setting, without opening the test split: cross-validation over the training videos.

    python experiments/cross_validate.py --data FOLDER                                # 4 folds of the preset `small`
    python experiments/cross_validate.py --data FOLDER --set model.alignment=none --out reports/without_alignment.csv

Every training query is answered once, by a model that has not seen its video; the validation split chooses the epoch.
Writes a row for each fold and seed, and provenance beside it. Interrupted, the same command resumes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnvtg.command import run
from snnvtg.studies.cross_validation import run_folds
from snnvtg.studies.options import DataOptions, PoolOptions, PresetOptions

METRICS = ["R1@0.3", "R1@0.5", "R1@0.7", "mIoU"]


@dataclass(frozen=True)
class Options(DataOptions, PresetOptions, PoolOptions):
    """Cross-validate one setting of SpikeMba."""

    folds: int = 4
    seeds: tuple[int, ...] = (0,)
    out: Path = Path("reports/cross_validation.csv")


def main(options: Options) -> None:
    """Run the folds, print their mean by queries."""
    settings = {"folds": options.folds, "seeds": options.seeds, **options.pool()}
    preset = options.chosen(options.data)
    frame = run_folds(preset, options.loader(), options.out, **settings).frame()
    print(frame[["seed", "fold", "queries", *METRICS]].to_string(index=False, float_format="{:.1f}".format))
    means = np.average(frame[METRICS], axis=0, weights=frame["queries"])
    figures = " · ".join(f"{name} {mean:.1f}" for name, mean in zip(METRICS, means, strict=True))
    print(f"{frame['data'].iloc[0]}, training videos held out in turn, all queries: {figures}; wrote {options.out}")


if __name__ == "__main__":
    run(Options, main, __doc__)
