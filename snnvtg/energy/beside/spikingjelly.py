"""SpikingJelly's op_counter: it sees every operation torch dispatches, and takes what holds only 0 and 1 for spikes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "SpikingJelly"
LOOKS_BINARY = "an operand of zeros and ones that is no spike tensor"
IS_SCALED = "spikes times a constant, which it takes for values"
BOTH_BINARY = "the other operand holds only zeros and ones too: coincidences"
ON_PADDING = "taps on the zero padding"
UNSEEN = "an operator it has no rule for"


def _counters() -> dict[str, Any]:
    from spikingjelly.activation_based import op_counter

    return {"synops": op_counter.SynOpCounter(), "macs": op_counter.MACCounter()}


def require() -> None:
    """ImportError where it is not installed."""
    _counters()


def totals(model: nn.Module, run: Callable[[], None]) -> dict[str, int]:
    """Synaptic operations and MACs as it counts them."""
    from spikingjelly.activation_based import op_counter

    counters = _counters()
    with op_counter.DispatchCounterMode(list(counters.values())):
        run()
    return {quantity: counter.get_total() for quantity, counter in counters.items()}


class _Asking(TorchDispatchMode):
    """Asks its rules about each operation that the ledger writes down, and says why they differ."""

    def __init__(self, ledger: Any, comparison: Any):
        super().__init__()
        self.ledger, self.comparison, self.counters = ledger, comparison, _counters()
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        start, kwargs = len(self.ledger.notes), kwargs or {}
        out = func(*args, **kwargs)
        written = self.ledger.notes[start:]
        for quantity, kind in (("synops", "ac"), ("macs", "mac")):
            counter = self.counters[quantity]
            with torch._C._DisableTorchDispatch():  # what it looks up is no work of the network
                theirs = counter.count(func, args, kwargs, out) if counter.has_rule(func) else 0
            ours = sum(record.counts.get(kind, (0, 0))[0] for record in written)
            if ours != theirs:
                module = written[-1].module if written else ""
                reason = self._reason(quantity, written, ours, theirs, known=counter.has_rule(func))
                self.comparison.differ(module, quantity, reason, theirs - ours)
        self.seen.update(id(record) for record in written)
        return out

    @staticmethod
    def _reason(quantity: str, written: list, ours: int, theirs: int, *, known: bool) -> str:
        kinds = {kind for record in written for kind in record.counts}
        if not known:
            return UNSEEN
        if quantity == "synops":
            if not ours:
                return LOOKS_BINARY if "mac" in kinds else BOTH_BINARY
            return BOTH_BINARY if theirs else IS_SCALED
        if not ours:
            return IS_SCALED if "ac" in kinds else f"{written[-1].op.removeprefix('aten.')}: mul and add to the ledger"
        return ON_PADDING if theirs else LOOKS_BINARY

    def leave(self) -> None:
        """Leaf operations are written down without torch dispatching them."""
        for record in self.ledger.notes:
            if id(record) not in self.seen:
                for quantity, kind in (("synops", "ac"), ("macs", "mac")):
                    self.comparison.differ(record.module, quantity, UNSEEN, -record.counts.get(kind, (0, 0))[0])


@contextmanager
def watching(model: nn.Module, ledger: Any, comparison: Any) -> Iterator[None]:
    """Within the block, behind an open ledger, differences are noted in `comparison`."""
    asking = _Asking(ledger, comparison)
    with asking:
        yield
    asking.leave()
