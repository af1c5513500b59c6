import dataclasses

import pytest
import torch

from snnvtg.models.spikemba import SpikeMba
from snnvtg.models.spikemba.detector import SpikingSaliencyDetector
from snnvtg.neurons import LIFParameters, lif_reference, set_backend


def detector(order="scores", qkv_bn=True, width=8, heads=2, encoding="direct"):
    torch.manual_seed(1)
    options = {"scale": 0.125, "qkv_bn": qkv_bn, "order": order, "encoding": encoding, "seed": 4}
    made = SpikingSaliencyDetector(width, heads, LIFParameters(), **options).eval()
    with torch.no_grad():
        for name, buffer in made.named_buffers():
            buffer.copy_(torch.rand_like(buffer) * 0.5 + (0.05 if name.endswith("var") else -0.3))
    return made


ENCODINGS = ("direct", "poisson", "latency")


def equation_5(module, x, num_timesteps):
    """Eq. 5 for one sample x (M, C), head by head and step by step, in float64."""
    encoder = module.encoder
    currents = x.expand(num_timesteps, -1, -1) if encoder is None else encoder(x.unsqueeze(0), num_timesteps)[:, 0]
    module, currents = module.double(), currents.double()

    def neuron(current, norm):
        if norm is not None:
            scaled = (current - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
            current = scaled * norm.weight + norm.bias
        return lif_reference(current, LIFParameters())[0]

    q, k, v = (
        neuron(project(currents), norm)
        for project, norm in (
            (module.q_proj, module.q_norm),
            (module.k_proj, module.k_norm),
            (module.v_proj, module.v_norm),
        )
    )
    attended = torch.zeros_like(v)
    wide = v.shape[-1] // module.num_heads
    for t in range(num_timesteps):
        for head in range(module.num_heads):
            part = slice(head * wide, (head + 1) * wide)
            attended[t, :, part] = 0.125 * (q[t, :, part] @ k[t, :, part].T) @ v[t, :, part]
    return neuron(module.out_proj(attended), module.out_norm)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_equals_equation_5_written_out(encoding):
    for qkv_bn in (True, False):
        module = detector(qkv_bn=qkv_bn, encoding=encoding)
        x = torch.randn(1, 6, 8) * 2
        spikes = module(x, torch.ones(1, 6, dtype=torch.bool), 5)
        expected = equation_5(detector(qkv_bn=qkv_bn, encoding=encoding), x[0], 5)
        assert 0 < expected.mean() < 1
        assert torch.equal(spikes[:, 0].double(), expected)


def test_both_orders_of_the_products_give_the_same_spikes():
    x, mask = torch.randn(3, 7, 8) * 2, torch.arange(7) < torch.tensor([[7], [4], [2]])
    assert torch.equal(detector("scores")(x, mask, 4), detector("values")(x, mask, 4))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_padding_neither_spikes_nor_is_attended_to(encoding):
    module = detector(encoding=encoding)
    x, mask = torch.randn(2, 7, 8) * 2, torch.arange(7) < torch.tensor([[7], [4]])
    spikes = module(x, mask, 3)
    assert not spikes[:, ~mask].any()
    alone = module(x[1:, :4], mask[1:, :4], 3)
    assert torch.equal(spikes[:, 1:, :4], alone)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_gradient_reaches_every_weight_and_the_tokens(encoding):
    module, x = detector(encoding=encoding).train(), torch.randn(2, 7, 8, requires_grad=True)
    module(x, torch.ones(2, 7, dtype=torch.bool), 4).sum().backward()
    assert x.grad.abs().sum(-1).min() > 0
    silent = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    # a bias in front of a batch normalisation has no effect
    assert set(silent) <= {f"{layer}_proj.bias" for layer in ("q", "k", "v", "out")}


def test_backend_changes_nothing():
    x, mask = torch.randn(2, 7, 8) * 2, torch.ones(2, 7, dtype=torch.bool)
    module = detector()
    expected = module(x, mask, 4)
    for name in ("reference", "torch"):
        set_backend(module, name)
        assert torch.equal(module(x, mask, 4), expected)


def test_normalisation_of_encoded_tokens_runs_over_time_and_valid_positions():
    module = detector(encoding="latency").train()
    x, mask = torch.randn(2, 7, 8), torch.arange(7) < torch.tensor([[7], [4]])
    module.q_norm.momentum = 1.0
    module(x, mask, 3)
    currents = module.q_proj(module.encoder(x, 3))[:, mask].flatten(0, 1)
    torch.testing.assert_close(module.q_norm.running_mean, currents.mean(0))
    torch.testing.assert_close(module.q_norm.running_var, currents.var(0))


def test_detectors_of_a_model_meet_different_noise(tiny):
    model = SpikeMba(dataclasses.replace(tiny, encoding="poisson"), 6, 5)
    assert [block.ssd.encoder.seed for block in model.blocks] == [0, 1]
