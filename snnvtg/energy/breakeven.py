"""At which firing rate spiking stops paying, for a whole network and for one layer, under each cost model.

`network_break_even`: all firing rates of the measured network scaled by one factor, products of two spike tensors
by its square; what does not depend on spikes (LIF updates, T-fold integer products) stays. `layer_break_even`: the
textbook question, one fully connected layer of LIF neurons over T steps against one dense layer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from snnvtg.energy.account import Account, OpRecord
from snnvtg.energy.costs import CostModel, energy_pj, find
from snnvtg.energy.twins import bits


@dataclass(frozen=True)
class PublishedBreakEven:
    """A published point: below `low` to `high` spikes per neuron and step at `num_timesteps`, spiking beats `rival`."""

    source: str
    rival: Literal["dense", "quantised"]
    num_timesteps: int
    low: float
    high: float


LITERATURE = (
    # v2 and v3 of the paper say 6.4 % for T of 5 to 10
    PublishedBreakEven("Yan et al., arXiv 2409.08290v4 (2026)", "quantised", 5, 0.057, 0.057),
    # spikes per synapse and inference: at T = 1 they are spikes per neuron and step
    PublishedBreakEven("Dampfhoffer et al., IEEE TETCI 2023", "dense", 1, 0.15, 1.38),
)


@dataclass(frozen=True)
class BreakEven:
    """`break_even_rate` is where both cost the same: 0 if the rival is cheaper in silence, inf if never reached."""

    model: str
    measured_rate: float
    break_even_rate: float
    spiking_pj: float
    silent_pj: float
    rival_pj: float

    @property
    def spiking_wins(self) -> bool:
        """Whether the network as measured costs less than its rival; a tie is no win."""
        return self.spiking_pj < self.rival_pj and not tied(self.spiking_pj, self.rival_pj)


def tied(one: float, other: float) -> bool:
    """Whether two energies are the same but for the rounding of sums."""
    return math.isclose(one, other, rel_tol=1e-9)


def firing_rate(account: Account) -> float:
    """Spikes per neuron and step over all LIF layers."""
    layers = [record for record in account.phase("forward") if record.is_neuron]
    updates = sum(record.outputs for record in layers)
    return sum(record.spikes_out for record in layers) / updates if updates else 0.0


def scaled(account: Account, factor: float) -> Account:
    """The account with every firing rate times `factor`."""
    return Account([_scaled(record, factor) for record in account.phase("forward")], batch_size=account.batch_size)


def _scaled(record: OpRecord, factor: float) -> OpRecord:
    if not record.spikes_in and not record.spikes_out:
        return record
    by = factor**record.spike_operands
    counts = {}
    for kind, (effective, dense) in record.counts.items():
        driven = kind == "ac" or (kind == "add" and effective < dense)
        counts[kind] = (min(effective * by, dense), dense) if driven else (effective, dense)
    return replace(record, counts=counts, spikes_in=record.spikes_in * factor, spikes_out=record.spikes_out * factor)


def network_break_even(spiking: Account, rival_pj: float, model: str | CostModel) -> BreakEven:
    """The mean firing rate at which `spiking` would cost `rival_pj`."""
    rate, model = firing_rate(spiking), find(model)

    def cost(factor: float) -> float:
        return model.energy_pj(scaled(spiking, factor))

    silent, limit = cost(0.0), 1 / rate if rate else math.inf
    if silent >= rival_pj:
        even = 0.0
    elif not rate or (full := cost(limit)) <= rival_pj:
        even = math.inf
    else:
        even = rate * _crossing(cost, rival_pj, silent, limit, full)
    return BreakEven(model.name, rate, even, cost(1.0), silent, rival_pj)


def _crossing(cost: Callable[[float], float], target: float, silent: float, limit: float, full: float) -> float:
    """Where a rising cost, `silent` at 0 and `full` at `limit`, meets the target: false position (Illinois)."""
    low, high, below, above, side = 0.0, limit, silent - target, full - target, 0
    for _ in range(60):
        place = (low * above - high * below) / (above - below)
        off = cost(place) - target
        if abs(off) <= 1e-12 * target or high - low <= 1e-12 * limit:
            break
        if off < 0:
            low, below = place, off
            above, side = (above / 2 if side < 0 else above), -1
        else:
            high, above = place, off
            below, side = (below / 2 if side > 0 else below), 1
    return place


def layer_break_even(
    model: str | CostModel,
    num_timesteps: int,
    inputs: int = 256,
    outputs: int = 256,
    rival: Literal["dense", "quantised"] = "dense",
) -> float:
    """Input spikes per neuron and step below which T steps of `inputs` → LIF `outputs` beat one layer of the rival.

    The layer's own output fires at the same rate. The quantised rival has ⌈log2(T + 1)⌉ bits. 0 if silence already
    costs more than the rival.
    """
    width = bits(num_timesteps) if rival == "quantised" else None
    other = find(model).energy_pj(Account([_dense_layer(inputs, outputs)]), lambda record: width)
    silent, full = (energy_pj(Account(_lif_layer(inputs, outputs, num_timesteps, rate)), model) for rate in (0, 1))
    return max((other - silent) / (full - silent), 0.0)


def _dense_layer(inputs: int, outputs: int) -> OpRecord:
    macs = inputs * outputs
    return OpRecord(
        "dense",
        {"mac": (macs, macs), "add": (outputs, outputs)},
        weight_bytes=4 * (macs + outputs),
        bias_bytes=4 * outputs,
        dense_in=inputs,
        outputs=outputs,
    )


def _lif_layer(inputs: int, outputs: int, steps: int, rate: float) -> list[OpRecord]:
    dense, updates = steps * inputs * outputs, steps * outputs
    synaptic = OpRecord(
        "spiking",
        {"ac": (rate * dense, dense), "add": (updates, updates)},
        num_timesteps=steps,
        weight_bytes=4 * (inputs + 1) * outputs,
        bias_bytes=4 * outputs,
        spikes_in=rate * steps * inputs,
        dense_in=steps * inputs,
        outputs=updates,
    )
    kinds = dict.fromkeys(("mul", "add", "compare", "select"), (updates, updates))
    neurons = OpRecord("lif", kinds, num_timesteps=steps, spikes_out=rate * updates, outputs=updates)
    return [synaptic, neurons]
