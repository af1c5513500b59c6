"""One trained model on one split: accuracy, firing rates, operations and energy, as one row."""

from typing import Any

import torch
from torch import nn

from snnvtg.data import GroundingDataset
from snnvtg.energy import Ledger, energy_breakdown_pj
from snnvtg.instrumentation import FiringRates
from snnvtg.training import evaluate

COST_MODEL = "45nm_fp32"


def accuracy(model: nn.Module, dataset: GroundingDataset, device: str = "cpu") -> dict[str, float]:
    """R1@0.3, R1@0.5, R1@0.7 and mIoU in percent."""
    return evaluate(model, dataset, device=device)[0]


@torch.no_grad()
def cost(model: nn.Module, dataset: GroundingDataset, device: str = "cpu") -> dict[str, Any]:
    """What a query costs on average: firing rates, synops, MACs and energy at 45 nm, fp32.

    Queries run one at a time, so that there is no padding to be counted as work. `firing_rate` is the share of
    neurons that fire in a step over all LIF layers, `firing_rate:LAYER` that of one; `coverage` the share of
    executed operations that the ledger could price.
    """
    model.eval()
    with FiringRates(model) as rates:
        accounts = Ledger.per_query(model, (batch.to(device) for batch in dataset.batches(1)))
    counted = accounts.mean
    energy = energy_breakdown_pj(counted, COST_MODEL)
    total = sum(energy.values())
    return {
        "firing_rate": rates.firing_rate,
        "synops": counted["synops"],
        "macs": counted["macs"],
        "energy_pj": total,
        "energy_mac_pj": energy["mac"],
        "energy_ac_pj": energy["ac"],
        "energy_other_pj": total - energy["mac"] - energy["ac"],
        "coverage": accounts.coverage,
        **{f"firing_rate:{layer}": rate for layer, rate in rates.items()},
    }


def parameter_count(model: nn.Module) -> int:
    """Number of weights learned from data: those trained by gradient and those fitted in closed form."""
    return sum(parameter.numel() for parameter in model.parameters())
