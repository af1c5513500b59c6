"""The contract for grounding models: everything above `models/` knows this and no model.

    fit(train)               once, before training: statistics and closed-form parts
    forward(batch)           a Batch becomes an output of the model's own type
    losses(output, batch)    named loss terms, weighted; their sum is trained
    predict(output, batch)   windows and saliency of every query

Where a batch is read in shares, on several devices or one after another, `forward` is `forward_share` of each share and
`forward_joint` of what they gave; `losses` always sees the whole batch.

`needs` says what data the model asks for. A model from outside the package is a subclass in a module of its own, named
on the command line as `--model my_package.my_model:MyModel`.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
import yaml
from torch import Tensor, nn

from snnvtg.data import DataSplits, GroundingDataset
from snnvtg.errors import InputError
from snnvtg.models.recipe import TRAINING, Recipe, TrainingConfig
from snnvtg.models.retrieval import VideoVectors
from snnvtg.records import Batch, Prediction


@dataclass(frozen=True)
class Needs:
    """What a model asks of its data."""

    num_layers: int = 1
    """K feature layers of the backbone. 1: video (L, Dv) and text (N, Dt); more: video (L, K, P, Dv) with P patches,
    the class token first, and text (N, K, Dt)"""
    every_video: bool = False
    """the model answers which video of a split holds the moment: it is scored by video retrieval, every query against
    every video, and its best epoch is chosen by those figures"""
    videos_together: bool = False
    """the queries of a video are trained in one batch, as losses between them ask for"""


@dataclass(frozen=True)
class SpikeLayer:
    """A LIF layer whose spikes (T, B, M, C) show what the model sees, clip by clip."""

    title: str
    first_clip: int = 0
    """position of the first clip among the M; what stands before it is no clip"""
    num_heads: int = 1
    """attention heads that the channels are split evenly among"""

    def __post_init__(self):
        if self.num_heads < 1:
            raise InputError(f"SpikeLayer.num_heads: expected at least 1, got {self.num_heads}")


class GroundingModel(nn.Module, ABC):
    """A model of queries and videos; built as `Model(config, video_width, text_width)` from a frozen dataclass.

    A spiking model sets `num_timesteps` to its T and may be read out at another one by changing it.
    """

    config_class: ClassVar[type]
    """frozen dataclass of the model's settings, the losses' weights among them; its defaults build a model"""
    configs: ClassVar[Mapping[str, Any]] = {}
    """settings by preset (`demo`, `small`, `paper`); a preset that is not there has the defaults of `config_class`"""
    trainings: ClassVar[Mapping[str, TrainingConfig]] = TRAINING
    """training by preset"""
    ablations: ClassVar[tuple[str, ...]] = ()
    """names of the model's own sweeps that it is usually shown by"""
    num_timesteps: int | None = None

    def __init__(self, config: Any, video_width: int, text_width: int):
        """`video_width`, `text_width`: features of a clip and of a token, the last axis of both."""
        super().__init__()
        self.config = config

    @property
    def needs(self) -> Needs:
        """What the model asks of its data."""
        return Needs()

    def fit(self, train: GroundingDataset) -> None:
        """Fit on the training split what is not trained by gradient. Nothing by default."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before each epoch of training, counted from 0: for losses that change on the way."""

    @abstractmethod
    def forward(self, batch: Batch) -> Any:
        """The output for a batch; its values under padding are meaningless."""

    def forward_share(self, share: Batch) -> Any:
        """What of `forward` reads every sample by itself, of some queries of a batch; all by default.

        Only what `losses` reads need be in it, for it is sent to every device. See `models.shares` for where it holds
        the samples. Statistics over the batch are summed (`layers.shares.summed`), as `MaskedBatchNorm` does.
        """
        return self(share)

    def forward_joint(self, parts: Any, batch: Batch) -> Any:
        """The output for the whole batch from what `forward_share` gave for all of it; just that by default.

        For a network that compares the samples of a batch with one another.
        """
        return parts

    @abstractmethod
    def losses(self, output: Any, batch: Batch) -> dict[str, Tensor]:
        """Every loss term, weighted, by name."""

    @abstractmethod
    def predict(self, output: Any, batch: Batch) -> list[Prediction]:
        """The answer to every query of the batch, in its order.

        Windows in seconds, best first, their scores comparable between videos; one saliency score per clip, or none.
        """

    def relevance(self, output: Any, batch: Batch) -> Tensor:
        """How well each video of the batch answers its query (B,): for video retrieval. Optional."""
        raise InputError(f"{type(self).__name__} does not rank videos (no `relevance`); choose a model that does")

    def index(self, videos: Batch) -> Any:
        """What of a batch of videos can be computed before any query is known; its text is none. All by default."""
        return videos

    def search(self, queries: Batch, videos: Any) -> Tensor:
        """How well each video, as `index` gave them, answers each query (Q, V): for video retrieval.

        The queries come without videos of their own. By default `forward` and `relevance` of every pair; a model whose
        text does not change a video's clips has a cheaper one.
        """
        pairs = [asked_of(queries, row, videos) for row in range(len(queries))]
        return torch.stack([self.relevance(self(batch), batch) for batch in pairs])

    @classmethod
    def ranks_videos(cls) -> bool:
        """Whether the model says how relevant a video is."""
        return cls.relevance is not GroundingModel.relevance or cls.search is not GroundingModel.search

    def video_vectors(self, videos: Batch) -> VideoVectors:
        """Vectors of videos that no query is needed for, for a store that is searched by products. Optional."""
        raise InputError(f"{type(self).__name__} has no `video_vectors` to search by; choose another model")

    def query_vectors(self, queries: Batch) -> Tensor:
        """The vectors (Q, d) that `video_vectors` are multiplied with; the queries come without videos. Optional."""
        raise InputError(f"{type(self).__name__} has no `query_vectors` to search by; choose another model")

    def spike_layers(self) -> Mapping[str, SpikeLayer]:
        """Names of the LIF layers whose rasters are worth showing beside an answer. None by default."""
        return {}

    def proposing_layers(self) -> Mapping[str, SpikeLayer]:
        """Names of the LIF layers whose spikes the answer is made of; controls permute or silence them.

        By default those of `spike_layers`.
        """
        return self.spike_layers()

    @classmethod
    def recipe(cls, preset: str) -> Recipe:
        """The model and training called `preset`; InputError lists those there are."""
        if preset not in cls.trainings:
            raise InputError(f"preset: {cls.__name__} has no {preset!r}; known: {', '.join(cls.trainings)}")
        return Recipe(cls, cls.configs.get(preset, cls.config_class()), cls.trainings[preset])

    @classmethod
    def paper_settings(cls, benchmark: str) -> Mapping[str, Any]:
        """Settings by dotted name that the model's paper uses on a benchmark. None by default."""
        return {}

    @classmethod
    def baselines(cls, config: Any, data: DataSplits, split: GroundingDataset) -> dict[str, list[Prediction]]:
        """Predictions of parts of the model that need no training by gradient, by name: rows to beat."""
        return {}

    @classmethod
    def published(cls) -> Mapping[str, Any]:
        """Figures of the model's paper by sweep, from `published.yaml` beside the model; none without such a file.

        Each has `source`, `short`, `caution`, `columns`, and `rows` of as many figures.
        """
        return yaml.safe_load(_beside(cls, "published.yaml")) or {}

    @classmethod
    def sweep(cls, name: str) -> str | None:
        """The text of the model's own sweep declaration NAME.yaml, from the folder `sweeps` beside the model."""
        return _beside(cls, f"sweeps/{name}.yaml") or None

    @classmethod
    def sweeps(cls) -> list[str]:
        """Names of the model's own sweep declarations."""
        return sorted(path.stem for path in (Path(inspect.getfile(cls)).parent / "sweeps").glob("*.yaml"))


def asked_of(queries: Batch, row: int, videos: Batch) -> Batch:
    """Every video of `videos` with the one query `row` of `queries`."""
    query, tokens = queries.queries[row], int(queries.text_mask[row].sum())
    text = queries.text[row : row + 1, :tokens].expand(len(videos), *[-1] * (queries.text.dim() - 1))
    asked = tuple(replace(video, qid=query.qid, query=query.query) for video in videos.queries)
    return replace(videos, queries=asked, text=text, text_mask=text.new_ones(text.shape[:2], dtype=torch.bool))


def _beside(cls: type, name: str) -> str:
    path = Path(inspect.getfile(cls)).parent / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


PARTS = ("forward", "losses", "predict")


def check_model(candidate: Any, place: str) -> type[GroundingModel]:
    """`candidate` as a model class; InputError names the part of the contract it lacks."""
    if not (isinstance(candidate, type) and issubclass(candidate, GroundingModel)):
        raise InputError(f"{place}: expected a subclass of snnvtg.models.GroundingModel, got {candidate!r}")
    name = candidate.__name__
    absent = [part for part in PARTS if getattr(getattr(candidate, part), "__isabstractmethod__", False)]
    if absent:
        raise InputError(f"{place}: {name} lacks {', '.join(absent)} of the contract for models")
    if not hasattr(candidate, "config_class"):
        raise InputError(f"{place}: {name} lacks config_class, a frozen dataclass of its settings")
    _check_config(candidate.config_class, f"{place}: config_class of {name}")
    signature = inspect.signature(candidate)
    try:
        signature.bind(None, 1, 1)
    except TypeError:
        raise InputError(
            f"{place}: {name}(config, video_width, text_width) cannot be called; its __init__ takes {signature}"
        ) from None
    return candidate


def _check_config(config: Any, what: str) -> None:
    """InputError unless `config` is a frozen dataclass whose defaults make an instance that can tell models apart."""
    if not (isinstance(config, type) and is_dataclass(config) and config.__dataclass_params__.frozen):
        raise InputError(f"{what} is no frozen dataclass, got {config!r}; decorate it with @dataclass(frozen=True)")
    needing = [f.name for f in fields(config) if f.init and f.default is MISSING and f.default_factory is MISSING]
    if needing:
        raise InputError(f"{what} has settings without a default: {', '.join(needing)}; give each one")
    try:
        hash(config())
    except TypeError as error:
        raise InputError(f"{what} has a setting that cannot be hashed ({error}); use a tuple for a list") from None
