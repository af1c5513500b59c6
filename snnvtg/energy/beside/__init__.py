"""The ledger beside other counters on any network, layer by layer, every difference taken apart to the last operation.

    compare_counters(model, inputs)             # SpikingJelly's op_counter and NeuroBench, where they are installed

Each tool runs as its authors have it, once, for its totals. The network runs once more under a ledger, and what the
tool makes of each operation is asked of the tool's own rules, so that a difference has a place and a reason. Both have
to add up to the tool's totals.
"""

from snnvtg.energy.beside.comparison import Comparison, compare_counters

__all__ = ["Comparison", "compare_counters"]
