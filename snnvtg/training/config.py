"""Training settings and the two presets."""

from dataclasses import dataclass, field
from typing import Literal

from snnvtg.errors import InputError
from snnvtg.models import SpikeMbaConfig


@dataclass(frozen=True)
class LossConfig:
    """Weights (α) and forms of the losses; the paper names the weights and gives none."""

    foreground: float = 1.0
    proposal: float = 1.0
    """α_s"""
    entropy: float = 1.0
    """α_e"""
    contrastive: float = 0.1
    """α_c"""
    overlap: float = 0.0
    """weight of 1 − IoU, not in the paper"""
    focal_alpha: float = 0.5
    focal_gamma: float = 2.0
    proposal_units: Literal["clips", "normalised"] = "clips"
    contrastive_form: Literal["infonce", "printed"] = "infonce"
    contrastive_temperature: float = 0.07
    entropy_negatives: Literal["rolled", "batch"] = "rolled"
    entropy_temperature: float = 0.5
    """β_e"""
    rate: float = 0.0
    """weight of the firing-rate penalty, not in the paper; 10 to 100 to matter beside the others"""
    rate_target: float = 0.1
    """spikes per neuron and step up to which a LIF layer pays nothing"""

    def __post_init__(self):
        if not self.rate >= 0:
            raise InputError(f"rate: expected a weight of at least 0, got {self.rate}")
        if not 0 <= self.rate_target <= 1:
            raise InputError(f"rate_target: expected spikes per neuron and step in [0, 1], got {self.rate_target}")


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; the defaults are the paper's where it gives them (Charades-STA)."""

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 4e-4
    weight_decay: float = 1e-4
    optimiser: Literal["adam", "adamw"] = "adam"
    """adam decays through the gradient, as the paper's "Adam with a weight decay"; adamw decouples it"""
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: float = 0.0
    gradient_clip: float = 1.0
    ema_decay: float = 0.0
    """exponential moving average of the weights, used for validation and kept as the best; 0 is none"""
    word_dropout: float = 0.0
    """share of query words replaced by nothing in training"""
    precision: Literal["float32", "bf16"] = "float32"
    """bf16 is autocast and needs a GPU"""
    select_on: str = "mIoU"
    """validation metric that chooses the best epoch"""
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate: expected a positive number, got {self.learning_rate}")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay: expected a number in [0, 1), got {self.ema_decay}")


@dataclass(frozen=True)
class Preset:
    """A model and the way to train it."""

    model: SpikeMbaConfig
    training: TrainingConfig


PRESETS = {
    # d = 256, six blocks and the optimiser of the paper
    "paper": Preset(SpikeMbaConfig(), TrainingConfig()),
    # the embedded synthetic set, eight models in five minutes on two cores
    "demo": Preset(
        SpikeMbaConfig(
            width=48,
            num_blocks=2,
            num_timesteps=4,
            num_heads=4,
            num_slots=4,
            state_size=8,
            dropout=0.1,
            input_dropout=0.1,
        ),
        TrainingConfig(
            epochs=12,
            batch_size=25,
            learning_rate=2e-3,
            schedule="cosine",
            warmup_epochs=1,
            ema_decay=0.98,
            loss=LossConfig(overlap=1.0),
        ),
    ),
    # a laptop and two thousand queries: every choice by the validation split of a real set of that size
    "small": Preset(
        SpikeMbaConfig(
            width=64,
            num_blocks=2,
            num_timesteps=4,
            attention_order="values",
            centre_videos=True,
            position="none",
            dropout=0.25,
            input_dropout=0.4,
            state_size=8,
            alignment="ridge",
            decoding="expected_iou",
        ),
        TrainingConfig(
            epochs=6,
            batch_size=32,
            learning_rate=2e-3,
            optimiser="adamw",
            weight_decay=0.05,
            schedule="cosine",
            warmup_epochs=1,
            ema_decay=0.99,
            loss=LossConfig(overlap=1.0, entropy_negatives="batch"),
        ),
    ),
}
