"""The grounding models, by name."""

from snnvtg.models.spikemba import SpikeMba, SpikeMbaConfig

MODELS = {"spikemba": (SpikeMbaConfig, SpikeMba)}

__all__ = ["MODELS", "SpikeMba", "SpikeMbaConfig"]
