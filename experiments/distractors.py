"""The model with its spiking detector against the model without, as salient distractors get stronger (synthetic data).

    python experiments/distractors.py                 # about 7 minutes on 2 cores
    python experiments/distractors.py --seeds 0 --strengths 0 1.5 6

Writes reports/distractors.csv (a row per model, strength and seed), the same name .json with provenance, and .png.
Interrupted, the same command resumes.
"""

from dataclasses import dataclass
from pathlib import Path

from snnvtg.command import run
from snnvtg.plots.distractors import distractor_figure
from snnvtg.reporting import save_figure
from snnvtg.studies.distractors import run_distractors
from snnvtg.studies.options import PoolOptions, PresetOptions


@dataclass(frozen=True)
class Options(PresetOptions, PoolOptions):
    """Sweep the strength of synthetic distractors."""

    strengths: tuple[float, ...] = (0.0, 3.0, 9.0)
    seeds: tuple[int, ...] = (0, 1, 2)
    out: Path = Path("reports/distractors.csv")


def main(options: Options) -> None:
    """Run the study, then draw it."""
    preset = options.chosen(None)
    table = run_distractors(preset, options.strengths, options.seeds, options.out, **options.pool()).frame()
    save_figure(distractor_figure(table), options.out.with_suffix(".png"))
    means = table.groupby(["distractor_strength", "model"])[["R1@0.5", "R1@0.7", "mIoU"]].agg(["mean", "std"])
    print(means.round(1).to_string())
    print(f"synthetic data; wrote {options.out}, .json and .png")


if __name__ == "__main__":
    run(Options, main, __doc__)
