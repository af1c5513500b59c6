"""The grounding models, by name."""

from snnvtg.models.config import SpikeMbaConfig
from snnvtg.models.frame import FrameConfig, GroundingModel
from snnvtg.models.spikemba import SpikeMba
from snnvtg.models.transformer import Transformer, TransformerConfig

MODELS: dict[str, tuple[type[FrameConfig], type[GroundingModel]]] = {
    "spikemba": (SpikeMbaConfig, SpikeMba),
    "transformer": (TransformerConfig, Transformer),
}

__all__ = [
    "MODELS",
    "FrameConfig",
    "GroundingModel",
    "SpikeMba",
    "SpikeMbaConfig",
    "Transformer",
    "TransformerConfig",
]
