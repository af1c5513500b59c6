"""Counters of dense products, fvcore (MACs) and torch (two operations a MAC), on the four networks."""

import torch
from fvcore.nn import FlopCountAnalysis
from torch.utils.flop_counter import FlopCounterMode

from snnvtg.energy.crosscheck import cross_check
from tests.conftest import _make_batch as make_batch
from tests.energy.counters.common import TINY, Called, Row, convolution_spikes, counted, products_on_padding
from tests.energy.networks import TOKENS, VALID, CaseA, detector, tiny_spikemba


def dense_counters() -> list[Row]:
    """fvcore (MACs) and torch (two operations a MAC) on all four."""
    case, (conv, spikes), rows = CaseA(), convolution_spikes(), []
    plain = {
        "case A": (case.network(), (case.input,)),
        "convolution": (conv, (spikes,)),
        "attention, scores first": (Called(detector("scores"), TOKENS, VALID, 1), (TOKENS,)),
        "attention, values first": (Called(detector("values"), TOKENS, VALID, 1), (TOKENS,)),
    }
    for network, (model, inputs) in plain.items():
        ours = counted(model, *inputs).totals["macs_dense"]
        analysis = FlopCountAnalysis(model, inputs).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        beyond = products_on_padding(conv, spikes) if network == "convolution" else 0
        terms, twice = ((("taps on the zero padding", factor * beyond),) for factor in (1, 2))
        rows.append(Row(network, "dense MACs", "fvcore", analysis.total(), ours, terms))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(*inputs)
        flops = counter.get_total_flops()
        rows.append(Row(network, "operations, two a MAC", "torch FlopCounterMode", flops, 2 * ours, twice))
    checked = cross_check(tiny_spikemba(TINY), make_batch([0])).set_index("group")
    ours, fused = int(checked.ledger.sum()), int(checked.ledger["causal_conv1d"])
    flops = 2 * int(checked.torch.sum())
    on_padding = "taps on the zero padding"
    norms = (
        ("normalisations, in operations (5 per entry)", int(checked.fvcore["norms"])),
        (on_padding, int(checked.padding.sum())),
    )
    hidden = (
        ("causal convolutions, a fused operator", -2 * fused),
        (on_padding, 2 * int(checked.padding["conv"])),
    )
    rows += [
        Row("tiny SpikeMba", "dense MACs", "fvcore, with our handles", int(checked.fvcore.sum()), ours, norms),
        Row("tiny SpikeMba", "operations, two a MAC", "torch FlopCounterMode", flops, 2 * ours, hidden),
    ]  # fmt: skip
    return rows


COMPARISONS = (dense_counters,)
