"""Configuration of SpikeMba for retrieval, and its presets."""

from dataclasses import dataclass, field, replace

from snnvtg.errors import InputError
from snnvtg.models.recipe import TRAINING, TrainingConfig
from snnvtg.models.retrieval_losses import RetrievalLossConfig
from snnvtg.models.spikemba import SpikeMbaConfig


@dataclass(frozen=True)
class SpikeMbaRetrievalConfig(SpikeMbaConfig):
    """SpikeMba's blocks and neurons, and how videos are compared; what shapes windows means nothing here."""

    clip_weight: float = 0.7
    """share of the best clip's cosine in a video's score; the rest is the whole video's vector"""
    linear_path: bool = False
    """add linear maps of the standardised clips and words to what the blocks make of them, which start small beside
    those maps"""
    retrieval: RetrievalLossConfig = field(default_factory=RetrievalLossConfig)
    """the losses; `loss` is that of windows"""

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.clip_weight <= 1:
            raise InputError(f"clip_weight: expected a share in [0, 1], got {self.clip_weight}")
        for name, wanted in (("alignment", "none"), ("proposal_current", "printed"), ("proposals_weigh", False)):
            given = getattr(self, name)
            if given != wanted:
                raise InputError(f"{name}: expected {wanted}, got {given}: in retrieval no video hears the query")


CONFIGS = {
    "paper": SpikeMbaRetrievalConfig(),
    "demo": SpikeMbaRetrievalConfig(
        width=48,
        num_blocks=2,
        num_timesteps=4,
        num_heads=4,
        num_slots=4,
        state_size=8,
        dropout=0.1,
        input_dropout=0.1,
        linear_path=True,
    ),
    "small": SpikeMbaRetrievalConfig(
        width=64,
        num_blocks=2,
        num_timesteps=4,
        attention_order="values",
        position="none",
        dropout=0.0,
        input_dropout=0.4,
        state_size=8,
        mrm_gate="rates",
        linear_path=True,
        retrieval=RetrievalLossConfig(temperature=0.15, triplet=0.5, hard_negatives_from=8),
    ),
}
TRAININGS = {
    # the optimiser of SpikeMba's paper, larger batches for more negatives
    "paper": TrainingConfig(batch_size=256),
    "demo": replace(TRAINING["demo"], batch_size=32),
    "small": replace(TRAINING["small"], epochs=10, batch_size=64),
}
