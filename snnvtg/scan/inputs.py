"""What a selective scan reads, and the checks every backend relies on."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from snnvtg.errors import InputError

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class ScanInputs:
    """One direction of a selective scan; shapes as in `selective_scan`."""

    u: Tensor  # (B, L, D)
    delta: Tensor  # (B, L, D)
    A: Tensor  # (D, N), negative
    B: Tensor  # (B, L, N), or (B, L, G, N)
    C: Tensor  # as B
    D: Tensor | None = None  # (D,)
    delta_bias: Tensor | None = None  # (D,)
    delta_softplus: bool = True
    initial_state: Tensor | None = None  # (B, D, N)

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        return self.u, self.delta, self.A, self.B, self.C, self.D, self.delta_bias, self.initial_state

    @property
    def groups(self) -> int:
        """Groups of channels, each with a B and C of its own."""
        return self.B.shape[2] if self.B.dim() == 4 else 1

    def group(self, g: int) -> "ScanInputs":
        """The channels of one group, with its B and C."""
        size = self.u.shape[2] // self.groups
        own = slice(g * size, (g + 1) * size)
        A, *per_channel = (None if t is None else t[own] for t in (self.A, self.D, self.delta_bias))
        state = None if self.initial_state is None else self.initial_state[:, own]
        B, C = (t[:, :, g] if t.dim() == 4 else t for t in (self.B, self.C))
        return ScanInputs(self.u[..., own], self.delta[..., own], A, B, C, *per_channel, self.delta_softplus, state)

    def to(self, dtype: torch.dtype) -> "ScanInputs":
        """The same with every tensor in `dtype`."""
        moved = [None if t is None else t.to(dtype) for t in self.tensors]
        return ScanInputs(*moved[:7], self.delta_softplus, moved[7])


@dataclass(frozen=True)
class Scan:
    """A checked call: one or two directions over the same positions."""

    directions: tuple[ScanInputs, ...]
    reverse: tuple[bool, ...]
    z: Tensor | None  # (B, L, D)
    valid_mask: Tensor | None  # (B, L) bool
    return_state: bool = False
    seq_idx: Tensor | None = None  # (B, L), integers: where it changes along a row, the next sequence begins

    def by_groups(self) -> "list[Scan]":
        """One scan for each group of channels with a B and C of its own; itself where there is one group."""
        count = max(x.groups for x in self.directions)
        if count == 1 and all(x.B.dim() == 3 for x in self.directions):
            return [self]
        if any(x.groups not in (1, count) for x in self.directions):
            raise InputError("B: expected as many groups in both directions")
        gates = [None] * count if self.z is None else self.z.chunk(count, -1)
        return [
            replace(self, directions=tuple(x.group(g) for x in self.directions), z=gate) for g, gate in enumerate(gates)
        ]

    def masked(self) -> "Scan":
        """The same with zeros at invalid positions, whatever stood there (NaN included)."""
        if self.valid_mask is None:
            return self
        valid = self.valid_mask[..., None]

        def clear(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else torch.where(valid, tensor, 0)

        cleared = (replace(x, u=clear(x.u), delta=clear(x.delta), B=clear(x.B), C=clear(x.C)) for x in self.directions)
        return replace(self, directions=tuple(cleared), z=clear(self.z))

    @property
    def device(self) -> torch.device:
        return self.directions[0].u.device

    @property
    def needs_gradient(self) -> bool:
        """Whether to keep what a backward pass reads; under torch.func what is seen here does not tell."""
        tensors = [t for direction in self.directions for t in direction.tensors] + [self.z]
        transformed = not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()
        return transformed or (torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors))


def fits(name: str, tensor: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Raise InputError unless a tensor, where there is one, is of this shape and type; kernels do not ask."""
    if tensor is not None and (tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype):
        raise InputError(f"{name}: expected {tuple(shape)} {dtype}, got {tuple(tensor.shape)} {tensor.dtype}")


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type the recurrence runs in: float64 stays, everything else is float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def check(scan: Scan) -> None:
    """Raise InputError where a shape, type or device does not fit."""
    batch, length, channels = _three(scan.directions[0].u, "u")
    for direction in scan.directions:
        if direction.A.dim() != 2:
            raise InputError(f"A: expected (D, N), got shape {tuple(direction.A.shape)}")
        states = direction.A.shape[1]
        grouped = (batch, length, *_groups(direction, channels), states)
        expected = {
            "u": (batch, length, channels),
            "delta": (batch, length, channels),
            "A": (channels, states),
            "B": grouped,
            "C": grouped,
            "D": (channels,),
            "delta_bias": (channels,),
            "initial_state": (batch, channels, states),
        }
        for name, shape in expected.items():
            _check_one(name, getattr(direction, name), shape, scan.device)
    _check_one("z", scan.z, (batch, length, channels), scan.device)
    if scan.valid_mask is not None:
        check_mask(scan.valid_mask, (batch, length), scan.device)
    if scan.seq_idx is not None:
        check_seq_idx(scan.seq_idx, (batch, length), scan.device)


def _groups(direction: ScanInputs, channels: int) -> tuple[int, ...]:
    """() where B and C are one for all channels, (G,) where each of G groups of channels has its own."""
    if direction.B.dim() != 4:
        return ()
    groups = direction.B.shape[2]
    if not groups or channels % groups:
        raise InputError(f"B: expected a number of groups that divides the {channels} channels, got {groups}")
    return (groups,)


def numbered(seq_idx: Tensor) -> Tensor:
    """The sequences of each row numbered from 0 (B, L), whatever `seq_idx` called them."""
    changed = seq_idx[:, 1:] != seq_idx[:, :-1]
    return torch.cat([changed.new_zeros(seq_idx.shape[0], min(1, seq_idx.shape[1])), changed], 1).cumsum(1)


def restarts(seq_idx: Tensor, valid_mask: Tensor | None, reverse: bool) -> Tensor:
    """Where the state is forgotten before a step, (B, L) bool: where `seq_idx` differs from the valid position before.

    `seq_idx` as of `numbered`. The order of positions is that of the scan; the first valid one of a row goes on from
    the initial state.
    """
    number = seq_idx.flip(1) if reverse else seq_idx
    if valid_mask is None:
        numbers = numbered(number)
        begins = torch.cat([numbers[:, :1] > 0, numbers[:, 1:] != numbers[:, :-1]], 1)
    else:
        valid = valid_mask.flip(1) if reverse else valid_mask
        place = torch.arange(number.shape[1], device=number.device).expand_as(number)
        # the last valid position before each, or -1
        latest = torch.where(valid, place, -1).cummax(1).values
        before = torch.cat([latest.new_full((number.shape[0], 1), -1), latest], 1)[:, :-1]
        begins = valid & (before >= 0) & (number.gather(1, before.clamp(min=0)) != number)
    return begins.flip(1) if reverse else begins


def check_mask(mask: Tensor, shape: tuple[int, ...], device: torch.device) -> None:
    """Raise InputError unless `mask` is bool, of this shape, on this device."""
    if mask.dtype != torch.bool or tuple(mask.shape) != shape or mask.device != device:
        raise InputError(
            f"valid_mask: expected bool {shape} on {device}, got {mask.dtype} {tuple(mask.shape)} on {mask.device}"
        )


def check_seq_idx(seq_idx: Tensor, shape: tuple[int, ...], device: torch.device) -> None:
    """Raise InputError unless `seq_idx` holds integers, is of this shape, and on this device."""
    whole = not seq_idx.is_floating_point() and seq_idx.dtype != torch.bool
    if not whole or tuple(seq_idx.shape) != shape or seq_idx.device != device:
        given = f"{seq_idx.dtype} {tuple(seq_idx.shape)} on {seq_idx.device}"
        raise InputError(f"seq_idx: expected integers {shape} on {device}, got {given}")


def _three(tensor: Tensor, name: str) -> tuple[int, int, int]:
    if tensor.dim() != 3:
        raise InputError(f"{name}: expected (B, L, D), got shape {tuple(tensor.shape)}")
    return tuple(tensor.shape)


def _check_one(name: str, tensor: Tensor | None, shape: tuple[int, ...], device: torch.device) -> None:
    if tensor is None:
        return
    if tuple(tensor.shape) != shape:
        raise InputError(f"{name}: expected shape {shape}, got {tuple(tensor.shape)}")
    if tensor.dtype not in DTYPES:
        raise InputError(f"{name}: expected a floating-point tensor, got {tensor.dtype}")
    if tensor.device != device:
        raise InputError(f"{name}: expected on {device} like u, got {tensor.device}")
