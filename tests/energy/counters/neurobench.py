"""NeuroBench on the four networks: it counts Linear and Conv modules and looks at values."""

import snntorch
import torch
from neurobench.metrics.static import ConnectionSparsity
from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
from neurobench.models import SNNTorchModel, TorchModel
from torch import Tensor, nn

from snnvtg.instrumentation import FiringRates
from tests.conftest import _make_batch as make_batch
from tests.energy.counters.common import (
    MODULES,
    TINY,
    Called,
    Row,
    convolution_spikes,
    counted,
    over_modules,
)
from tests.energy.networks import TOKENS, VALID, CaseA, detector, tiny_spikemba


def neurobench(model: object, x: Tensor) -> dict[str, float]:
    """NeuroBench's workload metrics over the batch `x` (it reports them a sample)."""
    model.register_hooks()
    with torch.no_grad():
        out = model(x)
    metrics = (SynapticOperations(), MembraneUpdates(), ActivationSparsity())
    operations, updates, sparsity = (metric(model, out, (x, None)) for metric in metrics)
    model.cleanup_hooks()
    totals = {name: count * len(x) for name, count in operations.items()}
    return {**totals, "membrane_updates": updates * len(x), "activation_sparsity": sparsity}


def case_a() -> list[Row]:
    def leaky(output: bool = False) -> nn.Module:
        settings = {"beta": 0.5, "threshold": 0.9 - 1e-6, "reset_mechanism": "zero", "reset_delay": True}
        return snntorch.Leaky(**settings, init_hidden=True, output=output)

    case = CaseA()
    model, network = SNNTorchModel(case.network(leaky, lambda: leaky(True))), case.network()
    ours = counted(network, case.input, spikes=case.input, skip_zero_weights=True).totals
    halved = counted(network, case.input * 0.5, skip_zero_weights=True).totals
    with FiringRates(network, layout="TBC") as rates:
        network(case.input)
    theirs = neurobench(model, case.input.transpose(0, 1))
    theirs_halved = neurobench(model, case.input.transpose(0, 1) * 0.5)
    zeros = float(sum((w == 0).sum() for w in (case.weight_1, case.weight_2))) / 36
    silent, met = (
        (case.input == 0).sum().item() * 4,
        int((case.input.flatten(0, 1) @ (case.weight_1 == 0).float().T).sum()),
    )
    skipped = (("zeros of a dense input skipped: 25 × fan-out 4", -silent), ("weights of 0 skipped", -met))
    unchanged = (("neurons whose potential stayed what it was are not counted", -2),)
    updates, halved_acs = theirs["membrane_updates"], theirs_halved["Effective_ACs"]
    return [
        Row("case A", "synops, zero weights skipped", "NeuroBench", theirs["Effective_ACs"], ours["synops"]),
        Row("case A", "dense operations", "NeuroBench", theirs["Dense"], ours["macs_dense"]),
        Row("case A", "neuron updates", "NeuroBench", updates, ours["neuron_updates"], unchanged),
        Row("case A", "activation sparsity", "NeuroBench", theirs["activation_sparsity"], 1 - rates.firing_rate),
        Row("case A", "connection sparsity, 4 digits", "NeuroBench", ConnectionSparsity()(model), round(zeros, 4)),
        Row("case A, X × 0.5", "MACs", "NeuroBench", theirs_halved["Effective_MACs"], halved["macs"], skipped),
        Row("case A, X × 0.5", "synops, zero weights skipped", "NeuroBench", halved_acs, halved["synops"]),
    ]  # fmt: skip


def convolution() -> list[Row]:
    conv, spikes = convolution_spikes()
    theirs = neurobench(TorchModel(nn.Sequential(conv)), spikes)
    ours = counted(conv, spikes, spikes=spikes, skip_zero_weights=True).totals
    return [
        Row("convolution", "synaptic operations", "NeuroBench", theirs["Effective_ACs"], ours["synops"]),
        Row("convolution", "dense operations", "NeuroBench", theirs["Dense"], ours["macs_dense"]),
    ]


def attention() -> list[Row]:
    rows = []
    for order in ("scores", "values"):
        called = Called(detector(order), TOKENS, VALID, 1)
        theirs, ours = neurobench(TorchModel(called), TOKENS), counted(called, TOKENS)
        products = [r for r in ours.records if r.op == "aten.bmm"]
        unseen = (
            "products of two tensors are no module: Q·Kᵀ·V is not seen",
            -sum(r.counts["ac"][0] for r in products),
        )
        spikes = ("one-hot tokens look like spikes: weights met that are not 0", 6 + 8 + 4)
        network, name = f"attention, {order} first", "NeuroBench"
        zeros = ("zeros of inputs and weights skipped, one-hot tokens taken for spikes", -(192 - skipping(called)))
        all_unseen = ((unseen[0], -sum(r.counts["ac"][1] for r in products)),)
        rows += [
            Row(network, "synaptic operations", name, theirs["Effective_ACs"], ours.totals["synops"], (unseen, spikes)),
            Row(network, "MACs", name, theirs["Effective_MACs"], ours.totals["macs"], (zeros,)),
            Row(network, "dense operations", name, theirs["Dense"], ours.totals["macs_dense"], all_unseen),
        ]
    return rows


def spikemba() -> list[Row]:
    called = Called(tiny_spikemba(TINY), make_batch([0]))
    theirs, ledger = neurobench(TorchModel(called), make_batch([0]).video), counted(called, torch.zeros(1))
    totals, modules = ledger.totals, dict(called.named_modules())
    in_modules = sum(
        r.counts["mac"][0] for r in ledger.records if "mac" in r.counts and isinstance(modules[r.module], MODULES)
    )
    functions = "causal convolutions, products of two tensors and functional.linear are no module"
    zeros = ("zeros of dense inputs and weights skipped", skipping(called) - in_modules)
    return [
        Row("tiny SpikeMba", "synaptic operations", "NeuroBench", theirs["Effective_ACs"], totals["synops"],
            (("spikes meet spikes and sums of spikes only, in products that are no module", -totals["synops"]),)),
        Row("tiny SpikeMba", "dense operations", "NeuroBench", theirs["Dense"], totals["macs_dense"],
            ((functions, in_modules - totals["macs_dense"]),)),
        Row("tiny SpikeMba", "MACs", "NeuroBench", theirs["Effective_MACs"], totals["macs"],
            ((functions, in_modules - totals["macs"]), zeros)),
    ]  # fmt: skip


def skipping(called: nn.Module) -> int:
    """Products of entries and weights that are both not 0 in Linear and Conv modules, one-hot inputs left out."""

    def of(module: nn.Module, x: Tensor) -> int:
        binary = bool(((x == 0) | (x == 1)).all())
        weight, met = (module.weight != 0).double(), (x != 0).double()
        if isinstance(module, nn.Linear):
            return 0 if binary else int((met @ weight.t()).sum())
        return 0 if binary else int(nn.functional.conv1d(met, weight, None, module.stride, module.padding).sum())

    return over_modules(called, of)


COMPARISONS = (case_a, convolution, attention, spikemba)
