"""On a GPU: the answers of the CPU, and a training step, for the preset sizes of every head and neuron."""

from dataclasses import replace

import pytest
import torch

from snnvtg.models.mrnet import MapOutput, MRNet

SIZES = {
    "map": ("paper", {}),
    "moments": ("paper", {"head": "moments", "num_clips": 75}),
    "match": ("small", {}),
    "spiking": ("small", {"spiking": "both"}),
}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("size", SIZES)
def test_a_gpu_gives_the_answers_of_the_cpu_and_trains(size, make_batch):
    preset, settings = SIZES[size]
    torch.manual_seed(0)
    model, batch = MRNet(replace(MRNet.configs[preset], **settings), 6, 5), make_batch()
    model.train()(batch)  # statistics for the normalisation
    model.eval()
    with torch.no_grad():
        here = model(batch).answer
        there = model.cuda()(batch.to("cuda")).answer
    for one, other in zip(vars(here).values(), vars(there).values(), strict=True):
        torch.testing.assert_close(other.cpu(), one, atol=2e-2 if isinstance(here, MapOutput) else 1e-3, rtol=1e-2)
    model.train()
    sum(model.losses(model(batch.to("cuda")), batch.to("cuda")).values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
