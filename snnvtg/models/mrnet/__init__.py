"""MRNet (Hu et al., 2024): maskable retention over queries and clips, a 2-D map of proposals."""

from snnvtg.models.mrnet.config import MRNetConfig, MRNetLossConfig
from snnvtg.models.mrnet.network import MRNet
from snnvtg.models.mrnet.output import MapOutput, MomentsOutput, MRNetOutput

MODEL = MRNet

__all__ = ["MODEL", "MRNet", "MRNetConfig", "MRNetLossConfig", "MRNetOutput", "MapOutput", "MomentsOutput"]
