"""R²-Tuning (Liu et al., 2024): layers of CLIP, refined from the last one back."""

from snnvtg.models.r2_tuning.config import R2TuningConfig
from snnvtg.models.r2_tuning.losses import R2LossConfig
from snnvtg.models.r2_tuning.network import R2Tuning
from snnvtg.models.r2_tuning.output import R2Output

MODEL = R2Tuning

__all__ = ["MODEL", "R2LossConfig", "R2Output", "R2Tuning", "R2TuningConfig"]
