"""The common case: a model that answers clip by clip, with input projections in front and dense heads behind."""

from snnvtg.models.clipwise.losses import ClipwiseLossConfig
from snnvtg.models.clipwise.model import ClipwiseConfig, ClipwiseModel
from snnvtg.models.clipwise.output import ClipwiseOutput

__all__ = ["ClipwiseConfig", "ClipwiseLossConfig", "ClipwiseModel", "ClipwiseOutput"]
