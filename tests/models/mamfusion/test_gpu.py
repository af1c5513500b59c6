"""On a GPU: the scores of the CPU, and a training step, at the paper's size and in the spiking form."""

from dataclasses import replace

import pytest
import torch

from snnvtg.models.mamfusion import MamFusion

SIZES = {
    "paper": ("paper", {}),
    "released": ("paper", {"fusion": "released"}),
    "small": ("small", {}),
    "spiking": ("small", {"spiking": "both"}),
}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("size", SIZES)
def test_a_gpu_gives_the_scores_of_the_cpu_and_trains(size, make_batch):
    preset, settings = SIZES[size]
    torch.manual_seed(0)
    model, batch = MamFusion(replace(MamFusion.configs[preset], **settings), 6, 5), make_batch()
    model.train()(batch)  # statistics for the normalisation of the spiking heads
    model.eval()
    with torch.no_grad():
        here = model.search(batch, model.index(batch))
        there = model.cuda().search(batch.to("cuda"), model.index(batch.to("cuda")))
    torch.testing.assert_close(there.cpu(), here, atol=2e-2 if "spiking" in settings else 1e-3, rtol=1e-2)
    model.train()
    sum(model.losses(model(batch.to("cuda")), batch.to("cuda")).values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
