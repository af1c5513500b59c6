"""One model on the same queries three ways: as it is, as its dense twin, and its firing rates on the way."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from snnvtg.energy.ledger import Ledger
from snnvtg.energy.per_query import QueryAccounts
from snnvtg.energy.rivals import dense_twin, detector_names
from snnvtg.instrumentation import FiringRates


@dataclass(frozen=True)
class Readout:
    """Accounts over `queries` queries; `detectors` names the spiking parts, the same in both."""

    spiking: QueryAccounts
    twin: QueryAccounts
    rates: FiringRates
    detectors: tuple[str, ...]

    @property
    def queries(self) -> int:
        """Number of queries counted."""
        return len(self.spiking.queries)


@torch.no_grad()
def read_out(model: nn.Module, inputs: Iterable[Any]) -> Readout:
    """Count `model` and its dense twin on every query of `inputs`, in evaluation mode, each unpadded."""
    inputs = list(inputs)
    model.eval()
    with FiringRates(model) as rates:
        spiking = Ledger.per_query(model, inputs)
    twin = Ledger.per_query(dense_twin(model).eval(), inputs)
    return Readout(spiking, twin, rates, detector_names(model))
