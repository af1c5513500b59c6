"""What a notebook needs to begin with; `import snnvtg` gives these names and a few of the parts below."""

import os
from pathlib import Path
from typing import Any

from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.data.source import DataSource
from snnvtg.models import DEFAULT_MODEL, GroundingModel, Recipe
from snnvtg.sweeps.runs import trained as trained_run
from snnvtg.sweeps.settings import trial_of
from snnvtg.training import Checkpoint
from snnvtg.training.evaluation import answer_split


def load_data(folder: str | os.PathLike | None = None, **options: Any) -> DataSplits:
    """The splits of a folder, of a benchmark (`dataset=`, `features=`), or, without either, of the synthetic set.

    Options are the fields of `DataSource`, as the commands take them; InputError says what is wrong with a file.

    >>> import snnvtg
    >>> data = snnvtg.load_data()
    >>> data.name, len(data.train), len(data.val), len(data.test)
    ('synthetic', 600, 150, 200)
    >>> data.val.queries[0].query, data.val.queries[0].relevant_windows  # seconds
    ('someone throws a tiny book', ((15.0, 26.0),))
    """
    for name in ("features", "annotations", "packed"):
        if options.get(name) is not None:
            options[name] = Path(options[name])
    return DataSource(data=None if folder is None else Path(folder), **options).load()


def recipe(preset: str = "demo", *settings: str, model: str = DEFAULT_MODEL) -> Recipe:
    """A model and its training: the preset (demo, small, paper) with settings such as `training.epochs=2`.

    `model` is one of the toolkit, or yours at `my_model.py:MyModel`; InputError lists the settings there are.

    >>> import snnvtg
    >>> chosen = snnvtg.recipe("demo", "training.epochs=2", "model.lif.beta=0.7")
    >>> chosen.training.epochs, chosen.model.lif.beta
    (2, 0.7)
    """
    return trial_of(preset, settings, model=model).recipe


def model(recipe: Recipe, data: DataSplits) -> GroundingModel:
    """An untrained model for the features of `data`, fitted where it fits in closed form, in evaluation mode.

    >>> import snnvtg
    >>> untrained = snnvtg.model(snnvtg.recipe("demo", "model.width=16"), snnvtg.load_data())
    >>> type(untrained).__name__, untrained.training
    ('SpikeMba', False)
    """
    built = recipe.model_class(recipe.model, data.video_width, data.text_width)
    built.fit(data.train)
    return built.eval()


def trained(
    recipe: Recipe, data: DataSplits, *, seed: int, runs: str | os.PathLike = "runs", quiet: bool = False
) -> Checkpoint:
    """As `train`, but kept in `runs`: where the same settings, data, seed and code were trained before, it is read.

    A training that was interrupted goes on from its last epoch; one that another program is at is waited for.
    """
    return trained_run(Path(runs), recipe, data, seed=seed, quiet=quiet)[0]


def predict(model: GroundingModel, dataset: GroundingDataset, *, batch_size: int = 64, device: str = "cpu") -> Any:
    """A prediction for every query of `dataset`, in its order.

    A model that is made to find videos gives a score for every video instead: {qid: {vid: score}}.

    >>> import snnvtg
    >>> data = snnvtg.load_data()
    >>> answers = snnvtg.predict(snnvtg.model(snnvtg.recipe(), data), data.val.subset(range(2)))
    >>> [answer.qid == query.qid for answer, query in zip(answers, data.val.queries)]
    [True, True]
    >>> start, end, score = answers[0].pred_relevant_windows[0]  # best first, in seconds
    >>> 0 <= start < end <= data.val.queries[0].duration
    True
    """
    return answer_split(model, dataset, batch_size=batch_size, device=device)
