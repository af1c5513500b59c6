import torch

from snnvtg.layers.saliency_detector import SpikingSaliencyDetector
from snnvtg.neurons import LIFParameters, lif_reference, set_backend


def detector(order="scores", qkv_bn=True, width=8, heads=2):
    torch.manual_seed(1)
    made = SpikingSaliencyDetector(width, heads, LIFParameters(), scale=0.125, qkv_bn=qkv_bn, order=order).eval()
    with torch.no_grad():
        for name, buffer in made.named_buffers():
            buffer.copy_(torch.rand_like(buffer) * 0.5 + (0.05 if name.endswith("var") else -0.3))
    return made


def equation_5(module, x, num_timesteps):
    """Eq. 5 for one sample x (M, C), head by head and step by step, in float64."""
    module, x = module.double(), x.double()

    def neuron(current, norm):
        if norm is not None:
            scaled = (current - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
            current = scaled * norm.weight + norm.bias
        return lif_reference(current, LIFParameters())[0]

    q, k, v = (
        neuron(project(x).expand(num_timesteps, -1, -1), norm)
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


def test_equals_equation_5_written_out():
    for qkv_bn in (True, False):
        module = detector(qkv_bn=qkv_bn)
        x = torch.randn(1, 6, 8) * 2
        spikes = module(x, torch.ones(1, 6, dtype=torch.bool), 5)
        expected = equation_5(detector(qkv_bn=qkv_bn), x[0], 5)
        assert 0 < expected.mean() < 1
        assert torch.equal(spikes[:, 0].double(), expected)


def test_both_orders_of_the_products_give_the_same_spikes():
    x, mask = torch.randn(3, 7, 8) * 2, torch.arange(7) < torch.tensor([[7], [4], [2]])
    assert torch.equal(detector("scores")(x, mask, 4), detector("values")(x, mask, 4))


def test_padding_neither_spikes_nor_is_attended_to():
    x, mask = torch.randn(2, 7, 8) * 2, torch.arange(7) < torch.tensor([[7], [4]])
    spikes = detector()(x, mask, 3)
    assert not spikes[:, ~mask].any()
    alone = detector()(x[1:, :4], mask[1:, :4], 3)
    assert torch.equal(spikes[:, 1:, :4], alone)


def test_gradient_reaches_every_weight():
    module = detector().train()
    module(torch.randn(2, 7, 8), torch.ones(2, 7, dtype=torch.bool), 4).sum().backward()
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
