import pytest
import torch

from snnvtg.energy import Ledger
from snnvtg.errors import InputError
from snnvtg.models.transformer import Transformer, TransformerConfig


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = TransformerConfig(width=16, num_blocks=2, num_heads=2, dropout=0, input_dropout=0)
    return Transformer(config, video_width=6, text_width=5).eval()


def test_a_query_alone_gives_what_it_gives_in_a_padded_batch(model, make_batch):
    together = model(make_batch())
    for sample in range(3):
        alone = model(make_batch([sample]))
        count = alone.boundaries.shape[1]
        torch.testing.assert_close(together.boundaries[sample, :count], alone.boundaries[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.saliency[sample, :count], alone.saliency[0], rtol=1e-4, atol=1e-5)


def test_gradient_reaches_every_parameter(model, make_batch):
    output = model.train()(make_batch())
    parts = (output.foreground_logits, output.boundaries, output.saliency)
    sum((part * torch.randn_like(part)).sum() for part in parts).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in without if not name.endswith("score.bias")] == []


def test_it_has_no_spikes_and_every_operation_is_priced(model, make_batch):
    with torch.no_grad(), Ledger(model) as ledger:
        output = model(make_batch([0]))
    assert not hasattr(output, "spikes")
    assert ledger.coverage == 1, ledger.unpriced
    assert ledger.totals["synops"] == 0
    # per token and layer 12 d² MACs, both matrix products of attention 2 M d; input and heads beside it
    tokens, width = 9 + 3, 16
    layers = 2 * tokens * (12 * width**2 + 2 * tokens * width)
    inputs = 9 * (6 + width) * width + 3 * (5 + width) * width
    heads = 9 * 3 * width * (2 * width + 1 + 2) - 2 * width * (2 * width + 1 + 2)  # two border taps each
    pooling = 3 * width + 3 * width
    assert ledger.totals["macs"] == pytest.approx(layers + inputs + heads + pooling, rel=0.02)


def test_a_wrong_setting_is_named():
    with pytest.raises(InputError, match="expand: expected at least 1, got 0"):
        TransformerConfig(expand=0)
