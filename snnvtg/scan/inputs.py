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
    B: Tensor  # (B, L, N)
    C: Tensor  # (B, L, N)
    D: Tensor | None = None  # (D,)
    delta_bias: Tensor | None = None  # (D,)
    delta_softplus: bool = True
    initial_state: Tensor | None = None  # (B, D, N)

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        return self.u, self.delta, self.A, self.B, self.C, self.D, self.delta_bias, self.initial_state

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
        tensors = [t for direction in self.directions for t in direction.tensors] + [self.z]
        return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


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
        expected = {
            "u": (batch, length, channels),
            "delta": (batch, length, channels),
            "A": (channels, states),
            "B": (batch, length, states),
            "C": (batch, length, states),
            "D": (channels,),
            "delta_bias": (channels,),
            "initial_state": (batch, channels, states),
        }
        for name, shape in expected.items():
            _check_one(name, getattr(direction, name), shape, scan.device)
    _check_one("z", scan.z, (batch, length, channels), scan.device)
    if scan.valid_mask is not None:
        check_mask(scan.valid_mask, (batch, length), scan.device)


def check_mask(mask: Tensor, shape: tuple[int, ...], device: torch.device) -> None:
    """Raise InputError unless `mask` is bool, of this shape, on this device."""
    if mask.dtype != torch.bool or tuple(mask.shape) != shape or mask.device != device:
        raise InputError(
            f"valid_mask: expected bool {shape} on {device}, got {mask.dtype} {tuple(mask.shape)} on {mask.device}"
        )


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
