"""One trained model on one split: accuracy, firing rates, operations and energy, as one row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from snnvtg.data import GroundingDataset
from snnvtg.energy import COST_MODELS, Ledger, energy_breakdown_pj
from snnvtg.instrumentation import FiringRates
from snnvtg.models import GroundingModel
from snnvtg.training import evaluate
from snnvtg.training.evaluation import evaluation_of

COST_MODEL = "45nm_fp32"


@dataclass(frozen=True)
class Accuracy:
    """Figures in percent, and each query's share of them in 0…1, (Q,) by name."""

    figures: dict[str, float]
    per_query: dict[str, np.ndarray]


def accuracy(model: GroundingModel, dataset: GroundingDataset, device: str = "cpu") -> Accuracy:
    """What a model answers, by the figures of its task and data set."""
    figures, answers = evaluate(model, dataset, device=device)
    return Accuracy(figures, evaluation_of(model, dataset).per_query(answers, dataset.queries))


@torch.no_grad()
def cost(model: nn.Module, dataset: GroundingDataset, device: str = "cpu") -> dict[str, Any]:
    """What a query costs on average: firing rates, synops, MACs and energy at 45 nm, fp32.

    Queries run one at a time, so that there is no padding to be counted as work. `firing_rate` is the share of
    neurons that fire in a step over all LIF layers, `firing_rate:LAYER` that of one; None without neurons, which is
    not the same as silent ones. `energy_low_pj` and `energy_high_pj` are the lowest and highest of all cost models,
    some of which price arithmetic alone. `coverage` is the share of executed operations that the ledger could price.
    """
    model.eval()
    with FiringRates(model) as rates:
        accounts = Ledger.per_query(model, (batch.to(device) for batch in dataset.batches(1)))
    counted = accounts.mean
    # a model without dense products, or without spikes, has no such entry
    energy = {"mac": 0.0, "ac": 0.0, **energy_breakdown_pj(counted, COST_MODEL)}
    total = sum(energy.values())
    priced = [sum(energy_breakdown_pj(accounts, name).values()) / len(accounts.queries) for name in COST_MODELS]
    layers = {f"firing_rate:{layer}": rate for layer, rate in rates.items()}
    return {
        "firing_rate": rates.firing_rate if layers else None,
        "synops": counted["synops"],
        "macs": counted["macs"],
        "energy_pj": total,
        "energy_mac_pj": energy["mac"],
        "energy_ac_pj": energy["ac"],
        "energy_other_pj": total - energy["mac"] - energy["ac"],
        "energy_low_pj": min(priced),
        "energy_high_pj": max(priced),
        "coverage": accounts.coverage,
        **layers,
    }


def parameter_count(model: nn.Module) -> int:
    """Number of weights learned from data: those trained by gradient and those fitted in closed form."""
    return sum(parameter.numel() for parameter in model.parameters())
