"""Three more networks counted by hand; what other tools say of them is in test_independent_tools.py."""

import pytest
import torch
from torch import nn

from snnvtg.energy import Ledger
from snnvtg.energy.crosscheck import cross_check
from tests.energy.networks import CURRENT, TOKENS, VALID, K, Q, SpikesThroughConvolution, detector, taps, tiny_spikemba


def test_strided_grouped_convolution():
    model = SpikesThroughConvolution()
    with torch.no_grad(), Ledger(model, strict=True) as ledger:
        model(CURRENT)
    with torch.no_grad():
        spikes = model.lif(CURRENT)[0]
    outputs = 2 * 6 * 3 * 3
    assert ledger.totals["synops"] == taps(spikes)
    assert ledger.totals["acs_dense"] == taps(torch.ones_like(spikes))  # what a firing rate of 1 would be
    assert ledger.totals["spike_bias_adds"] == outputs
    assert ledger.totals["neuron_updates"] == 2 * 4 * 5 * 5


@pytest.mark.parametrize(
    ("convolution", "shape"),
    [
        (nn.Conv1d(3, 4, 3, padding=1, dilation=2), (2, 3, 9)),
        (nn.Conv2d(3, 4, (2, 3), stride=(3, 1), padding=(0, 2)), (2, 3, 7, 6)),
        (nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 5)),
        (nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1), (1, 2, 4, 3)),
        (nn.Conv3d(2, 2, 2, groups=2), (1, 2, 3, 4, 3)),
    ],
)
def test_fan_out_of_every_convolution_is_that_of_ones_convolved(convolution, shape):
    """Without zero skipping the accumulates are the sum of the spikes convolved with ones."""
    spikes = (torch.rand(shape, generator=torch.Generator().manual_seed(2)) < 0.3).float()
    with torch.no_grad(), Ledger(convolution, strict=True) as ledger:
        ledger.mark_spikes(spikes)
        convolution(spikes)
    with torch.no_grad():
        convolution.weight.fill_(1)
        convolution.bias.zero_()
    assert ledger.totals["synops"] == round(float(convolution(spikes).detach().double().sum()))


def attention_records(order: str):
    model = detector(order)
    with torch.no_grad(), Ledger(model, strict=True) as ledger:
        model(TOKENS, VALID, 1)
    products = [record for record in ledger.records if record.op == "aten.bmm"]
    fired = {record.module: record.spikes_out for record in ledger.records if record.op == "lif"}
    return ledger, products, fired


def test_attention_scores_first():
    """Q has 6 spikes, K 8, V 4; heads are the columns {0, 1} and {2, 3}.

    Q·Kᵀ: an accumulator changes where q and k both fire, channel by channel: Q's columns hold 2, 1, 2, 1 spikes, K's
    2, 2, 2, 2, so 4 + 2 + 4 + 2 = 12. (Q·Kᵀ)·V: V's 4 spikes select a column of 3 scores each: 12. Dense: 2 heads ×
    3 × 3 × 2 = 36 both times.
    """
    ledger, products, fired = attention_records("scores")
    assert (fired["q_lif"], fired["k_lif"], fired["v_lif"]) == (6, 8, 4)
    assert [record.counts for record in products] == [{"ac": (12, 36)}, {"ac": (12, 36)}]
    assert int((Q.view(3, 2, 2).transpose(0, 1) @ K.view(3, 2, 2).permute(1, 2, 0)).sum()) == 12
    macs = {record.module: record.counts["mac"] for record in ledger.records if "mac" in record.counts}
    assert macs == dict.fromkeys(("q_proj", "k_proj", "v_proj", "out_proj"), (48, 48))  # Linear(G) sees integers


def test_attention_values_first():
    """Kᵀ·V: coincidences, per head and clip K's spikes times V's: clip 0: 1·1 + 1·0, clip 1: 1·1 + 1·1, clip 2: 2·0 +
    2·1 = 5 in all, dense 2 × 2 × 3 × 2 = 24. Q·(KᵀV): Q's 6 spikes select a row of 2 sums each: 12, dense 24.
    """
    _, products, _ = attention_records("values")
    assert [record.counts for record in products] == [{"ac": (5, 24)}, {"ac": (12, 24)}]


def tiny_macs(L, N, *, config, video, text) -> int:
    """Dense MACs of SpikeMba by its layers' shapes: M = L clips and S slots, N tokens and S slots."""
    d, E, S, T = config.width, config.expand * config.width, config.num_slots, config.num_timesteps
    M, W = L + S, N + S
    rank, states, K = -(-E // 32), config.state_size, config.conv_width

    def projection(rows: int, width: int) -> int:
        return rows * width * d + rows * d * d

    def directions(rows: int) -> int:
        """Both directions: convolution, x_proj to Δ, B, C, dt_proj."""
        taps = sum(rows - back for back in range(K))  # none before the first position
        return 2 * (E * taps + rows * (E * (rank + 2 * states) + rank * E))

    cmr = M * d * E + (M + W) * d * E + directions(M) + directions(W) + W * E + W * E + M * E * d
    heads, head = config.num_heads, d // config.num_heads
    ssd = 3 * M * d * d + T * (2 * heads * M * M * head + M * d * d)
    mrm = 2 * M * d * E + directions(M) + M * E * d
    reach = config.head_kernel // 2
    taps = sum(L - abs(offset) for offset in range(-reach, reach + 1))
    conv_heads = taps * (2 * d * d + d * (1 + 2))
    return (
        projection(L, video)
        + projection(N, text)
        + config.num_blocks * (cmr + ssd + mrm)
        + conv_heads
        + 2 * N * d  # pooling the query: scores and weighted sum
    )


@pytest.fixture
def spikemba(tiny):
    return tiny_spikemba(tiny)


@torch.no_grad()
def test_dense_macs_of_a_tiny_spikemba(spikemba, tiny, make_batch):
    account = Ledger.per_query(spikemba, [make_batch()], strict=True)
    expected = [tiny_macs(L, N, config=tiny, video=6, text=5) for L, N in ((9, 3), (5, 6), (7, 2))]
    assert [query["macs_dense"] for query in account.queries] == expected


@torch.no_grad()
def test_scans_and_neurons_of_a_tiny_spikemba(spikemba, tiny, make_batch):
    with Ledger(spikemba, strict=True) as ledger:
        spikemba(make_batch([0]))
    d, E, M, W = tiny.width, tiny.expand * tiny.width, 9 + tiny.num_slots, 3 + tiny.num_slots
    scanned = tiny.num_blocks * 2 * (M + W + M)  # CMR both modalities, MRM the video; two directions
    exps = sum(record.counts["exp"][0] for record in ledger.records if record.op == "selective_scan")
    assert exps == scanned * E * tiny.state_size
    assert ledger.totals["neuron_updates"] == tiny.num_blocks * 4 * tiny.num_timesteps * M * d
    assert (ledger.coverage, ledger.unpriced) == (1.0, {})


@torch.no_grad()
def test_fvcore_and_torch_agree_on_spikemba_to_the_last_operation(spikemba, make_batch):
    checked = cross_check(spikemba, make_batch([0])).set_index("group")
    assert checked.ledger["linear"] == checked.fvcore["linear"] == checked.torch["linear"] > 0
    padded = checked.ledger + checked.padding
    assert padded["conv"] == checked.fvcore["conv"] == checked.torch["conv"] > checked.padding["conv"] > 0
    assert padded["causal_conv1d"] == checked.fvcore["causal_conv1d"] > checked.torch["causal_conv1d"] == 0
    assert (checked.ledger["norms"], checked.torch["norms"]) == (0, 0)
    with Ledger(spikemba) as ledger:
        spikemba(make_batch([0]))
    assert ledger.totals["macs_dense"] == checked.ledger.sum()
    assert padded.sum() == checked.fvcore.sum() - checked.fvcore["norms"]
