"""SpikeMba (Li et al., 2024): a spiking saliency detector gates Mamba blocks over clips and words."""

from snnvtg.models.spikemba.config import SpikeMbaConfig
from snnvtg.models.spikemba.detector import SpikingSaliencyDetector
from snnvtg.models.spikemba.losses import SpikeMbaLossConfig
from snnvtg.models.spikemba.network import SpikeMba
from snnvtg.models.spikemba.output import SpikeMbaOutput
from snnvtg.models.spikemba.proposals import clip_rates, proposal_set

MODEL = SpikeMba

__all__ = [
    "MODEL",
    "SpikeMba",
    "SpikeMbaConfig",
    "SpikeMbaLossConfig",
    "SpikeMbaOutput",
    "SpikingSaliencyDetector",
    "clip_rates",
    "proposal_set",
]
