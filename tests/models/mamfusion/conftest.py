import pytest
import torch

from snnvtg.models.mamfusion import MamFusion, MamFusionConfig


@pytest.fixture
def small_model():
    """A MamFusion of width 8 in evaluation mode, its fusion away from the identity it starts at."""

    def make(video_width=6, text_width=5, **settings):
        torch.manual_seed(0)
        sizes = {"width": 8, "num_heads": 2, "num_clips": 4, "max_frames": 16, "max_tokens": 8, "state_size": 2}
        quiet = {"dropout": 0.0, "input_dropout": 0.0}
        model = MamFusion(MamFusionConfig(**{**sizes, **quiet, **settings}), video_width, text_width)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "fusion" in name:
                    parameter.normal_(std=0.5)
        return model.eval()

    return make
