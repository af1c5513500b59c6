"""What a model did (the ledger) and what that may cost (cost models)."""

from snnvtg.energy.account import KINDS, Account, OpRecord
from snnvtg.energy.costs import CostModel, load_cost_model
from snnvtg.energy.findings import LedgerWarning, UntrackedNeuronError
from snnvtg.energy.ledger import Ledger, UnpricedOperationError
from snnvtg.energy.memory import MemoryModel, load_memory_model
from snnvtg.energy.neurons import NeuronKind, spiking
from snnvtg.energy.per_query import QueryAccounts
from snnvtg.energy.pricing import COST_MODELS, energy_breakdown_pj, energy_pj

__all__ = [
    "COST_MODELS",
    "KINDS",
    "Account",
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
    "load_memory_model",
    "spiking",
]
