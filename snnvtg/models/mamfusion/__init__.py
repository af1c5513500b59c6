"""MamFusion (Ying et al., 2025): which video holds the moment, by Gaussian attention, Mamba and temporal fusion."""

from snnvtg.models.mamfusion.config import MamFusionConfig, MamFusionLossConfig
from snnvtg.models.mamfusion.network import MamFusion
from snnvtg.models.mamfusion.output import MamFusionOutput

MODEL = MamFusion

__all__ = ["MODEL", "MamFusion", "MamFusionConfig", "MamFusionLossConfig", "MamFusionOutput"]
