"""Leaf operations: counted from shapes and masks, the same whichever backend runs them.

Selective scan, exact and sequential, per valid position, channel (D) and state (N): Ā = exp(Δ·A): one product, one
exp; B̄u = (Δ·u)·B: one product; h = Ā·h + B̄u: one product, one add; y = C·h: one product, one add. Per position and
channel: Δ·u and D·u. Together mul 4BLDN + 2BLD, add 2BLDN (the last add of each sum over N is the one with D·u), exp
BLDN: case C. Making Δ (bias, softplus) and gating the output (SiLU, product) are records of their own beside it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from snnvtg.energy.account import OpRecord
from snnvtg.energy.backward_markers import fields_of
from snnvtg.energy.neurons import LIF_UPDATE, NeuronKind
from snnvtg.energy.origin import Mark, Origin
from snnvtg.energy.provenance import Provenance
from snnvtg.energy.rules.call import counts

Arguments = dict[str, Any]
LeafOpRule = Callable[[Arguments, Any, Provenance], Iterator[OpRecord]]


def _bits(tensor: Tensor) -> int:
    return tensor.element_size() * 8


def _bytes(*tensors: Tensor | None) -> int:
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)


def _fired(spikes: Tensor) -> int:
    """Entries other than 0; zeros and ones of float32 add up exactly, and four times as fast as they are counted."""
    if spikes.dtype is torch.float32 and spikes.numel() < 2**24:
        total = float(spikes.sum())
        if total == total:  # not a NaN, which is no zero either
            return int(total)
    return int(spikes.count_nonzero())


def neuron_record(
    current_entries: int, updates: int, spikes: Tensor, *, fired: int, steps: int, width: int, summed: bool
) -> OpRecord:
    """LIF, per neuron and step: one leak multiply, one add, one compare, one reset select.

    `summed`: its current is what spikes added up, so it lies in the potential and is not read besides.
    """
    return OpRecord(
        op="lif",
        counts=counts(**{kind: each * updates for kind, each in LIF_UPDATE.items()}),
        width=width,
        num_timesteps=steps,
        read_bytes=current_entries * width // 8,
        written_bytes=_bytes(spikes),
        state_bytes=2 * updates * width // 8,
        spikes_out=fired,
        dense_in=0 if summed else updates,
        outputs=updates,
    )


def _beyond_one_state(a: Arguments, updates: int, fired: int, steps: int, width: int) -> Iterator[OpRecord]:
    """The parts of snnvtg/neurons/extended.py, per neuron and step; a part's state is read and written like v's.

    Synaptic current: a multiply, an add. Adaptation: a multiply, an add to the threshold, an add per spike. Refractory
    period: a compare, three selects, a decrement. Recurrence: an accumulate per weight of a spike, the last step's too.
    """
    p, weight = a.get("parameters"), a.get("recurrent")
    parts = {}
    if p is not None and p.synapse is not None:
        parts["synapse"] = counts(mul=updates, add=updates)
    if p is not None and p.adaptation:
        parts["adaptation"] = {**counts(mul=updates), "add": (updates + fired, 2 * updates)}
    if p is not None and p.refractory:
        parts["refractory"] = counts(compare=updates, select=3 * updates, add=updates)
    for name, made in parts.items():
        state = 2 * updates * width // 8
        yield OpRecord(op=f"lif.{name}", counts=made, width=width, num_timesteps=steps, state_bytes=state)
    if weight is not None:
        fan_out = weight.shape[0] if weight.dim() == 2 else 1
        yield OpRecord(
            op="lif.recurrent",
            counts={"ac": (fired * fan_out, updates * fan_out)},
            width=width,
            num_timesteps=steps,
            weight_bytes=_bytes(weight),
            spikes_in=fired,
            dense_in=updates,
        )


def lif(a: Arguments, out: Any, provenance: Provenance) -> Iterator[OpRecord]:
    """`lif(current, parameters, *, num_timesteps, scale, shift, reduction, …)`; marks the spikes."""
    current, spikes = a["current"], out[0] if isinstance(out, tuple) else out
    repeated, averaged = a.get("num_timesteps"), a.get("reduction", "none") == "mean"
    steps = repeated if repeated is not None else current.shape[0]
    updates = current.numel() * (repeated or 1)
    if a.get("scale") is not None:
        yield OpRecord(
            op="lif.affine",
            counts=counts(mul=current.numel(), add=current.numel()),
            width=_bits(current),
            num_timesteps=1 if repeated else steps,
            weight_bytes=_bytes(a["scale"], a["shift"]),
        )
    fired = round(float(spikes.double().sum()) * steps) if averaged else _fired(spikes)
    width = max(32, _bits(current))  # the state is kept in float32 at least
    summed = provenance.get(current) is Mark.SUM
    yield neuron_record(current.numel(), updates, spikes, fired=fired, steps=steps, width=width, summed=summed)
    yield from _beyond_one_state(a, updates, fired, steps, width)
    if averaged:
        dense = updates - spikes.numel()
        added = int((spikes.double() * steps).round().clamp(max=steps - 1).sum())
        made = {"add": (added, dense), **counts(mul=spikes.numel())}
        yield OpRecord(op="lif.mean", counts=made, width=width, num_timesteps=steps, spikes_in=fired, dense_in=updates)
        name = provenance.where or "lif"
        once = Origin(Mark.SPIKE, source=name)  # the mean of one step is its spikes
        ended = Origin(since=f"the mean over time in {name}, from {name}")
        provenance.set(spikes, provenance.interned(once if steps == 1 else ended))
    else:
        origin = Origin(Mark.SPIKE, num_timesteps=steps, source=provenance.where or "lif")
        provenance.set(spikes, provenance.interned(origin))


def encode(a: Arguments, out: Tensor, provenance: Provenance) -> Iterator[OpRecord]:
    """`encode(p, code, num_timesteps, …)`; marks the spikes, which are the input's and no neuron's updates.

    Poisson: a random number and a comparison an entry and step. Latency: the level once an entry (1 − p, product,
    floor), which each step compares with its number.
    """
    p, n = a["p"], out.numel()
    once = {"add": 2 * p.numel(), "mul": p.numel()} if a["code"] == "latency" else {"random": n}
    source = provenance.where or "the encoder"
    provenance.set(out, provenance.interned(Origin(Mark.SPIKE, num_timesteps=a["num_timesteps"], source=source)))
    yield OpRecord(
        op="encode",
        counts=counts(**once, compare=n),
        width=_bits(p),
        num_timesteps=a["num_timesteps"],
        read_bytes=_bytes(p),
        written_bytes=_bytes(out),
        spikes_out=int(out.count_nonzero()),
        outputs=n,
    )


def _positions(mask: Tensor | None, like: Tensor) -> int:
    return int(mask.sum()) if mask is not None else like.shape[0] * like.shape[1]


def _taps(mask: Tensor | None, like: Tensor, kernel: int, positions: int) -> int:
    """Pairs of a position and one at most `kernel` − 1 before it (or, in reverse, behind), both of them real."""
    samples, length = like.shape[:2]
    kernel = min(kernel, length)
    if mask is None or positions == samples * length:
        return samples * (kernel * length - kernel * (kernel - 1) // 2)
    return sum(int((mask[:, k:] & mask[:, : length - k]).sum()) for k in range(kernel))


def _scan(op: str, n: int, direction: Any) -> Iterator[OpRecord]:
    """One direction over n valid positions, without the gate."""
    u, A, skip = direction.u, direction.A, direction.D is not None
    channels, states = A.shape
    full, flat = n * channels * states, n * channels
    width = max(32, _bits(u))
    yield OpRecord(
        op=op,
        counts=counts(mul=4 * full + flat + skip * flat, add=2 * full - (not skip) * flat, exp=full),
        width=width,
        weight_bytes=_bytes(A, direction.D),
        read_bytes=(3 * flat + 2 * n * states) * u.element_size(),
        written_bytes=flat * u.element_size(),
        state_bytes=2 * full * width // 8,
        outputs=flat,
    )
    bias = direction.delta_bias is not None
    softplus = direction.delta_softplus * flat
    made = counts(exp=softplus, add=softplus + bias * flat, log=softplus, compare=softplus)
    if made:
        yield OpRecord(op=f"{op}.delta", counts=made, width=width, weight_bytes=_bytes(direction.delta_bias))


def _gate(op: str, n: int, z: Tensor | None) -> Iterator[OpRecord]:
    if z is not None:
        flat = n * z.shape[-1]
        read = flat * z.element_size()
        yield OpRecord(op, counts(exp=flat, add=flat, div=flat, mul=flat), width=max(32, _bits(z)), read_bytes=read)


class _Direction:
    """The arguments of `selective_scan` under the names of `ScanInputs`."""

    def __init__(self, a: Arguments):
        self.u, self.A, self.D = a["u"], a["A"], a.get("D")
        self.delta_bias, self.delta_softplus = a.get("delta_bias"), a.get("delta_softplus", True)


def selective_scan(a: Arguments, out: Any, provenance: Provenance) -> Iterator[OpRecord]:
    """`selective_scan(u, delta, A, B, C, D, z, delta_bias, *, delta_softplus, valid_mask, …)`."""
    n = _positions(a.get("valid_mask"), a["u"])
    yield from _scan("selective_scan", n, _Direction(a))
    yield from _gate("selective_scan.gate", n, a.get("z"))


def bidirectional_selective_scan(a: Arguments, out: Any, provenance: Provenance) -> Iterator[OpRecord]:
    """`bidirectional_selective_scan(forward, backward, *, z, valid_mask, …)`: two scans, their sum, one gate."""
    forward, n = a["forward"], _positions(a.get("valid_mask"), a["forward"].u)
    yield from _scan("selective_scan", n, forward)
    yield from _scan("selective_scan", n, a["backward"])
    flat = n * forward.u.shape[-1]
    yield OpRecord("selective_scan.sum", counts(add=flat), width=max(32, _bits(forward.u)))
    yield from _gate("selective_scan.gate", n, a.get("z"))


def causal_conv1d(a: Arguments, out: Any, provenance: Provenance) -> Iterator[OpRecord]:
    """`causal_conv1d(x (B, L, D), weight (D, K), bias, *, activation, valid_mask, …)`: K taps per entry, then SiLU.

    As in a convolution, taps on what is no position count nowhere: before the first one, on padding.
    """
    x, weight, bias = a["x"], a["weight"], a.get("bias")
    positions, channels = _positions(a.get("valid_mask"), x), x.shape[-1]
    flat = positions * channels
    taps = _taps(a.get("valid_mask"), x, weight.shape[-1], positions) * channels
    yield OpRecord(
        op="causal_conv1d",
        counts=counts(mac=taps, add=flat if bias is not None else 0),
        width=_bits(x),
        weight_bytes=_bytes(weight, bias),
        read_bytes=flat * x.element_size(),
        written_bytes=flat * x.element_size(),
        outputs=flat,
    )
    if a.get("activation", "silu") == "silu":
        yield OpRecord("causal_conv1d.silu", counts(exp=flat, add=flat, div=flat), width=max(32, _bits(x)))


LEAF_OPS: dict[str, LeafOpRule] = {
    "lif": lif,
    "encode": encode,
    "selective_scan": selective_scan,
    "bidirectional_selective_scan": bidirectional_selective_scan,
    "causal_conv1d": causal_conv1d,
}


BY_SHAPE = frozenset({"selective_scan", "bidirectional_selective_scan", "causal_conv1d"})
"""their records follow from shapes and the number of real positions, where all are"""


def shapes_of(values: Any) -> tuple | None:
    """The shapes and types of nested arguments, and the other arguments; None where some position is not real."""
    key = []
    for value in values:
        if isinstance(value, Tensor):
            if value.dtype is torch.bool and not value.all():
                return None
            key += value.shape, value.dtype
        elif names := fields_of(type(value)):
            inner = shapes_of([getattr(value, name) for name in names])
            if inner is None:
                return None
            key.append(inner)
        else:
            key.append(value)
    return tuple(key)


def library_neuron(kind: NeuronKind, spikes: Tensor, *, steps: int, spiking: bool, summed: bool) -> OpRecord:
    """A neuron of another library: `kind.update` for every entry of its output."""
    entries, width = spikes.numel(), _bits(spikes)
    update = {name: each * entries for name, each in (kind.update or {}).items()}
    return OpRecord(
        op="encode" if kind.encoder else "lif",
        counts=counts(**update),
        width=width,
        num_timesteps=steps,
        read_bytes=entries * width // 8,
        written_bytes=_bytes(spikes),
        state_bytes=2 * kind.num_states * entries * width // 8,
        spikes_out=int(spikes.count_nonzero()) if spiking else 0,
        dense_in=0 if summed else entries,
        outputs=entries,
    )
