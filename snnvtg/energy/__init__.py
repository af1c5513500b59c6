"""What a model did (the ledger) and what that may cost (cost models)."""

from snnvtg.energy.account import KINDS, Account, OpRecord
from snnvtg.energy.costs import (
    COST_MODELS,
    ChipModel,
    ComputeModel,
    CostModel,
    MemoryModel,
    energy_breakdown_pj,
    energy_pj,
    load_cost_model,
)
from snnvtg.energy.findings import LedgerWarning, UntrackedNeuronError
from snnvtg.energy.ledger import Ledger, UnpricedOperationError
from snnvtg.energy.neurons import NeuronKind, spiking
from snnvtg.energy.per_query import QueryAccounts

__all__ = [
    "COST_MODELS",
    "KINDS",
    "Account",
    "ChipModel",
    "ComputeModel",
    "CostModel",
    "Ledger",
    "LedgerWarning",
    "MemoryModel",
    "NeuronKind",
    "OpRecord",
    "QueryAccounts",
    "UnpricedOperationError",
    "UntrackedNeuronError",
    "energy_breakdown_pj",
    "energy_pj",
    "load_cost_model",
    "spiking",
]
