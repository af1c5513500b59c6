"""The paper's own form on a GPU: four layers with patches, against the CPU."""

import pytest
import torch

from snnvtg.models.r2_tuning import R2Tuning, R2TuningConfig

PARTS = ("class_logits", "distances", "saliency")


@pytest.mark.gpu
@pytest.mark.parametrize("spiking", ["none", "both"])
def test_four_layers_answer_on_a_gpu_as_on_a_cpu_and_train_there(layered_batch, spiking):
    torch.manual_seed(0)
    config = R2TuningConfig(num_layers=4, spiking=spiking, drop_path=0.0, input_dropout=0.0)
    model, batch = R2Tuning(config, video_width=6, text_width=5).eval(), layered_batch(num_layers=4)
    with torch.no_grad():
        expected = model(batch)
        there, moved = model.to("cuda"), batch.to("cuda")
        found = there(moved)
    for name in PARTS if spiking == "none" else ():  # a potential at its threshold may fall either way
        torch.testing.assert_close(getattr(found, name).cpu(), getattr(expected, name), rtol=1e-3, atol=1e-3)
    losses = there.train().losses(there(moved), moved)
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in there.parameters() if p.grad is not None)
    with torch.autocast("cuda", torch.bfloat16):
        mixed = there.losses(there(moved), moved)
    assert all(torch.isfinite(value) for value in mixed.values())
