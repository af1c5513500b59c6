"""Every model on the same data, splits, seeds, figures and ledger: one table, one figure.

    python experiments/compare_models.py                                   # synthetic data
    python experiments/compare_models.py --data FOLDER --seeds 0 1 2       # your features
    python experiments/compare_models.py --models spikemba my_model.py:MyModel --no-forms

Writes OUT.csv (a row per model and seed), OUT.json (provenance), OUT.md and OUT.png, and in the folder OUT the sweeps
behind them: models that answer moments and models that only find videos apart, each with its controls and with paired
differences from its first model. Interrupted, the same command resumes. Each model has its own preset and training;
with `--forms` also the spiking and dense forms that it declares.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from snnvtg.cli.command import run
from snnvtg.cli.options import DataOptions, PoolOptions, preset_for, require_csv
from snnvtg.errors import InputError
from snnvtg.models import DEFAULT_MODEL, MODELS, model_class
from snnvtg.sweeps.trial import Inference, Split, check_seeds


@dataclass(frozen=True)
class Options(DataOptions, PoolOptions):
    """Compare models."""

    models: tuple[str, ...] = ()
    """models of the toolkit, or yours: my_model.py:MyModel; none: all of the toolkit"""
    preset: Literal["default", "demo", "small", "paper"] = "default"
    """of every model; default: demo on the synthetic set, small on other data"""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """change a setting of every model, as --set training.epochs=10"""
    forms: bool = True
    """also the spiking and dense forms that each model declares"""
    seeds: tuple[int, ...] = (0, 1, 2)
    split: Split = "test"
    backend: str = "auto"
    """LIF backend of the measurement"""
    reference: str = DEFAULT_MODEL
    """the row that others are compared with; where it is none of a table, that table's first"""
    out: Path = Path("reports/comparison.csv")
    render: bool = False
    """only write the table, figure and Markdown from the sweeps that are there"""

    def check(self) -> None:
        """As PoolOptions; InputError for models that repeat, and for seeds or a table that cannot be."""
        super().check()
        require_csv(self.out)
        check_seeds(self.seeds, "--seeds")
        if len(set(self.models)) != len(self.models):
            raise InputError(f"--models: expected each one once, got {' '.join(self.models)}")


def main(options: Options) -> None:
    """Run the sweeps, join their tables, draw."""
    from snnvtg.plots.front import front_figure
    from snnvtg.reporting import provenance, save_both, write_csv, write_json, write_text
    from snnvtg.sweeps.comparison import read_results
    from snnvtg.sweeps.engine import run_sweeps
    from snnvtg.sweeps.report import failures_in_words, render
    from snnvtg.sweeps.request import awaited
    from snnvtg.sweeps.rivals import comparisons, joined
    from snnvtg.sweeps.rivals_report import markdown

    names = options.models or tuple(MODELS)
    for name in names:
        model_class(name)
    source = options.source
    preset = preset_for(source, options.preset)
    inference = Inference(backend=options.backend, split=options.split)
    chosen = {"seeds": options.seeds, "forms": options.forms, "overrides": options.set}
    rivals = comparisons(names, preset, source, inference, **chosen)
    folder, tables = options.out.with_suffix(""), []
    paths = [folder / f"{rival.sweep.name}.csv" for rival in rivals]
    for rival, path in zip(rivals, paths, strict=True) if not options.render else ():
        tables += run_sweeps([rival.sweep], rival.base, [path], **options.pool())
    if awaited(tables):  # jobs of a cluster
        return
    for path in paths:
        print(render(path, options.reference))
    found = [read_results(path, options.reference) for path in paths]
    table = joined(found)
    write_csv(table, options.out)
    write_json(provenance(behind=[str(path) for path in paths], preset=preset), options.out.with_suffix(".json"))
    title = f"Accuracy against energy ({found[0].title.partition('(')[2].removesuffix(')')})"
    metrics = list(dict.fromkeys([*reversed(found[0].evaluation.compared), "SumR"]))
    save_both(front_figure(table, metrics[:3], title), options.out.with_suffix(".png"))
    write_text(markdown(table, found, names, options.out.stem), options.out.with_suffix(".md"))
    print(f"wrote {options.out} and the files beside it")
    failures_in_words(tables)


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
