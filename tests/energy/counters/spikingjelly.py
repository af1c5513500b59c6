"""SpikingJelly's operation counters and its reading of the memory-aware model on the four networks."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from snnvtg.energy import energy_breakdown_pj
from snnvtg.energy.crosscheck import taps_on_padding
from snnvtg.neurons import available_backends, set_backend
from tests.conftest import _make_batch as make_batch
from tests.energy.counters.common import TINY, Called, Row, convolution_spikes, counted, over_modules
from tests.energy.networks import TOKENS, VALID, CaseA, detector, tiny_spikemba


def spikingjelly(run: Callable[[], object]) -> dict[str, int]:
    """Synaptic operations, MACs and accumulates by SpikingJelly's counters."""
    from spikingjelly.activation_based import op_counter

    counters = {"synop": op_counter.SynOpCounter(), "mac": op_counter.MACCounter(), "ac": op_counter.ACCounter()}
    with torch.no_grad(), op_counter.DispatchCounterMode(list(counters.values())):
        run()
    return {name: counter.get_total() for name, counter in counters.items()}


def case_a() -> list[Row]:
    case, rows = CaseA(), []
    network, halved = case.network(), case.input * 0.5
    ours, ours_halved = counted(network, case.input, spikes=case.input).totals, counted(network, halved).totals
    theirs, theirs_halved = spikingjelly(lambda: network(case.input)), spikingjelly(lambda: network(halved))
    rows += [
        Row("case A", "synaptic operations", "SpikingJelly SynOpCounter", theirs["synop"], ours["synops"]),
        Row("case A", "MACs", "SpikingJelly MACCounter", theirs["mac"], ours["macs"]),
        Row("case A, X × 0.5", "synaptic operations", "SpikingJelly", theirs_halved["synop"], ours_halved["synops"]),
        Row("case A, X × 0.5", "MACs", "SpikingJelly", theirs_halved["mac"], ours_halved["macs"]),
    ]
    for backend in [name for name in ("reference", "fused") if available_backends()[name] is None]:
        set_backend(network, backend)
        adds = 3 * 56 if backend == "reference" else 0
        reason = "adds and subtractions inside the neuron: three a neuron and step of a torch loop"
        terms = ((f"{reason}, none of a fused kernel" if not adds else reason, adds),)
        ours_now = counted(network, case.input, spikes=case.input).totals["synops"]
        theirs_now = spikingjelly(lambda: network(case.input))["ac"]
        rows.append(
            Row(
                "case A", f"accumulates, LIF backend `{backend}`", "SpikingJelly ACCounter", theirs_now, ours_now, terms
            )
        )
    return rows


def memory_accesses() -> list[Row]:
    """The accesses of the memory-aware model on case A beside those of SpikingJelly's reading of the same paper."""
    from spikingjelly.activation_based import functional, neuron, op_counter

    case, theirs = CaseA(), {}
    settings = {"tau": 2.0, "decay_input": False, "v_threshold": 0.9, "v_reset": 0.0, "step_mode": "m"}
    network, made = case.network(lambda: neuron.LIFNode(**settings)), {}
    for b in range(2):  # a sample at a time: memories are those of one
        functional.reset_net(network)
        sample = case.input[:, b : b + 1].contiguous()
        for name, count in op_counter.estimate_lemaire_energy(network, sample).counts.items():
            theirs[name] = theirs.get(name, 0) + (count // 4 if name.endswith("bytes") else count)
        ours = energy_breakdown_pj(counted(case.network(), sample, spikes=sample), "memory_lemaire_new_sram")
        made = {cause: made.get(cause, 0.0) + energy for cause, energy in ours.items()}
    words = {cause: round(made[cause] / 5) for cause in ("input", "weights", "bias", "potential", "output")}
    addresses = round(made["address"] / 0.03)
    biases = (("our fitted reading also addresses the 32 biases", -32),)
    tool = "SpikingJelly, Lemaire"
    return [
        Row("case A", "words of input read", tool, theirs["read_in_bytes"], words["input"]),
        Row("case A", "weights and biases read", tool, theirs["read_params_bytes"], words["weights"] + words["bias"]),
        Row("case A", "potentials read and written", tool,
            theirs["read_potential_bytes"] + theirs["write_potential_bytes"], words["potential"]),
        Row("case A", "words of output written", tool, theirs["write_out_bytes"], words["output"]),
        Row("case A", "addresses computed", tool, theirs["acc_addr"], addresses, biases),
    ]  # fmt: skip


def convolution() -> list[Row]:
    conv, spikes = convolution_spikes()
    theirs, ours = spikingjelly(lambda: conv(spikes)), counted(conv, spikes, spikes=spikes).totals
    return [Row("convolution", "synaptic operations", "SpikingJelly SynOpCounter", theirs["synop"], ours["synops"])]


def attention() -> list[Row]:
    rows = []
    for order in ("scores", "values"):
        model = Called(detector(order), TOKENS, VALID, 1)
        theirs, ours = spikingjelly(partial(model, TOKENS)), counted(model, TOKENS).totals
        reason = "one-hot tokens look like spikes to it: three projections of 3 ones"
        rows += [
            Row(f"attention, {order} first", "synaptic operations", "SpikingJelly SynOpCounter", theirs["synop"],
                ours["synops"], ((f"{reason}, fan-out 4", 36),)),
            Row(f"attention, {order} first", "MACs", "SpikingJelly MACCounter", theirs["mac"], ours["macs"],
                ((f"{reason}, 48 MACs each", -144),)),
        ]  # fmt: skip
    return rows


def spikemba() -> list[Row]:
    model, batch = tiny_spikemba(TINY), make_batch([0])
    theirs, ledger = spikingjelly(lambda: model(batch)), counted(model, batch)
    totals = ledger.totals
    on_padding = taps_on_padding(model, batch)["conv"]
    fused = sum(record.counts["mac"][1] for record in ledger.records if record.op == "causal_conv1d")
    terms = (
        (
            "causal convolutions, one fused operator it has no rule for",
            -fused,
        ),
        ("taps on the zero padding", on_padding),
        ("linear_z reads the norm of a silent layer's rate: all zeros, which look like spikes", -looking_binary(model)),
    )
    return [
        Row("tiny SpikeMba", "synaptic operations", "SpikingJelly SynOpCounter", theirs["synop"], totals["synops"]),
        Row("tiny SpikeMba", "MACs", "SpikingJelly MACCounter", theirs["mac"], totals["macs"], terms),
    ]  # fmt: skip


def looking_binary(model: nn.Module) -> int:
    """Dense MACs of the Linear modules whose input happens to hold nothing but 0 and 1 in `make_batch([0])`."""

    def of(module: nn.Module, x: Tensor) -> int:
        binary = bool(((x == 0) | (x == 1)).all())
        return x.numel() * module.out_features * binary if isinstance(module, nn.Linear) else 0

    return over_modules(Called(model, make_batch([0])), of)


COMPARISONS = (
    case_a,
    memory_accesses,
    convolution,
    attention,
    spikemba,
)
