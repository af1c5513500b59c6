"""NeuroBench's synaptic operations: inputs of Linear, Conv and recurrent modules, looked at entry by entry.

It skips entries and weights that are 0, and takes what holds only −1, 0 and 1 for spikes.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

NAME = "NeuroBench"
LOOKS_BINARY = "an input of zeros and ones that is no spike tensor"
IS_SCALED = "spikes times a constant, which it takes for values"
ZERO_WEIGHTS = "weights of 0 skipped"
ZEROS = "zeros of a dense input, or weights of 0, skipped"
UNSEEN = "products in functions or in modules it does not know"
ROUNDED = "rounding of its float32 sums"


def require() -> None:
    """ImportError where it is not installed."""
    from neurobench.metrics.workload import SynapticOperations  # noqa: F401


class _Whole(nn.Module):
    """The network with its inputs fixed, as a model that NeuroBench can call."""

    def __init__(self, model: nn.Module, run: Callable[[], None]):
        super().__init__()
        self.model, self.run = model, run

    def forward(self, _: Tensor) -> Tensor:
        self.run()
        return torch.zeros(1)


def totals(model: nn.Module, run: Callable[[], None]) -> dict[str, int]:
    """Effective ACs and MACs as it counts them, over all samples (it prints them per sample)."""
    from neurobench.metrics.workload import SynapticOperations
    from neurobench.models import TorchModel

    wrapped, one = TorchModel(_Whole(model, run)), torch.zeros(1)
    wrapped.register_hooks()
    try:
        found = SynapticOperations()(wrapped, wrapped(one), (one, None))
    finally:
        wrapped.cleanup_hooks()
    return {"synops": int(found["Effective_ACs"]), "macs": int(found["Effective_MACs"])}


class _Asking:
    """Asks its rule about each call of a module that it hooks, and says why the ledger's count differs."""

    def __init__(self, ledger: Any, comparison: Any):
        self.ledger, self.comparison = ledger, comparison
        self.starts: dict[nn.Module, int] = {}
        self.calls: list[tuple[nn.Module, tuple, list]] = []

    def before(self, module: nn.Module, args: tuple) -> None:
        self.starts[module] = len(self.ledger.notes)

    def after(self, module: nn.Module, args: tuple, out: Any) -> None:
        self.calls.append((module, args, self.ledger.notes[self.starts[module] :]))

    def _compare(self, module: nn.Module, args: tuple, written: list) -> None:
        ours = {kind: sum(record.counts.get(kind, (0, 0))[0] for record in written) for kind in ("ac", "mac")}
        theirs, spiking, exact = self._asked(module, args)
        name = written[-1].module if written else ""
        counted = {"ac": theirs if spiking else 0, "mac": 0 if spiking else theirs}
        expected = {"ac": exact if spiking else 0, "mac": 0 if spiking else exact}
        for quantity, kind in (("synops", "ac"), ("macs", "mac")):
            self.comparison.differ(name, quantity, ROUNDED, counted[kind] - expected[kind])
            reason = self._reason(kind, ours, spiking=spiking)
            self.comparison.differ(name, quantity, reason, expected[kind] - ours[kind])

    @staticmethod
    def _asked(module: nn.Module, args: tuple) -> tuple[int, bool, int]:
        """What it counts, whether as accumulates, and what it would count without rounding."""
        from neurobench.metrics.utils.layers import single_layer_MACs

        inputs = args[0] if len(args) == 1 else args
        theirs, spiking = single_layer_MACs(inputs, module)
        doubled = inputs.double() if isinstance(inputs, Tensor) else tuple(x.double() for x in inputs)
        exact, _ = single_layer_MACs(doubled, _doubled(module))
        return theirs, spiking, exact

    @staticmethod
    def _reason(kind: str, ours: dict[str, int], *, spiking: bool) -> str:
        if spiking and ours["mac"]:
            return LOOKS_BINARY
        if not spiking and ours["ac"]:
            return IS_SCALED
        return ZERO_WEIGHTS if kind == "ac" else ZEROS

    def leave(self) -> None:
        """It looks at inputs when all is done, and only at those of modules that it knows."""
        seen = {id(record) for _, _, written in self.calls for record in written}
        with torch._C._DisableTorchDispatch():
            for call in self.calls:
                self._compare(*call)
        for record in self.ledger.notes:
            if id(record) not in seen:
                for quantity, kind in (("synops", "ac"), ("macs", "mac")):
                    self.comparison.differ(record.module, quantity, UNSEEN, -record.counts.get(kind, (0, 0))[0])


def _doubled(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).double()


@contextmanager
def watching(model: nn.Module, ledger: Any, comparison: Any) -> Iterator[None]:
    """Within the block, behind an open ledger, differences are noted in `comparison`."""
    from neurobench.blocks.layer import SUPPORTED_LAYERS

    asking, handles = _Asking(ledger, comparison), []
    for module in model.modules():
        if isinstance(module, SUPPORTED_LAYERS):
            handles.append(module.register_forward_pre_hook(asking.before))
            handles.append(module.register_forward_hook(asking.after))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    asking.leave()
