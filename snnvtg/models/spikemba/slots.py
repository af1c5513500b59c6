"""Relevant slots: learnable rows put beside a sequence, and taken off again."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

SlotPosition = Literal["suffix", "prefix"]


@dataclass(frozen=True)
class SlotLayout:
    """Where `num_slots` rows stand beside the real rows of a padded sequence.

    `suffix` puts them right behind the last real row of each sample (T = [O, R] in the paper), so that padding stays
    at the end and a sample's result does not depend on how far its batch was padded; `prefix` puts them in front.
    """

    num_slots: int
    position: SlotPosition
    length: int
    valid_mask: Tensor
    """(B, L + num_slots) bool"""
    order: Tensor | None
    """(B, L + num_slots) int64: which row of [rows, slots] stands where; None where concatenation is already right"""

    @classmethod
    def of(cls, mask: Tensor, num_slots: int, position: SlotPosition = "suffix") -> "SlotLayout":
        """Layout for a padded sequence with `mask` (B, L), True is real, padding at the end."""
        batch, length = mask.shape
        slots = mask.new_ones(batch, num_slots)
        if position == "prefix":
            return cls(num_slots, position, length, torch.cat([slots, mask], 1), None)
        if num_slots == 0 or bool(mask.all()):
            return cls(num_slots, position, length, torch.cat([mask, slots], 1), None)
        count = mask.sum(1, keepdim=True)
        place = torch.arange(length + num_slots, device=mask.device).expand(batch, -1)
        is_slot = (place >= count) & (place < count + num_slots)
        order = torch.where(is_slot, place - count + length, torch.where(place < count, place, place - num_slots))
        return cls(num_slots, position, length, place < count + num_slots, order)

    def join(self, rows: Tensor, slots: Tensor | None) -> Tensor:
        """rows (B, L, C) and slots (num_slots, C) as one sequence (B, L + num_slots, C)."""
        if slots is None or self.num_slots == 0:
            return rows
        slots = slots.to(rows.dtype).expand(rows.shape[0], -1, -1)
        if self.position == "prefix":
            return torch.cat([slots, rows], 1)
        joined = torch.cat([rows, slots], 1)
        if self.order is None:
            return joined
        return joined.gather(1, self.order.unsqueeze(-1).expand_as(joined))

    def rows(self, joined: Tensor) -> Tensor:
        """The rows (..., L, C) of a joined sequence (..., L + num_slots, C), slots off; padding is not cleared."""
        start = self.num_slots if self.position == "prefix" else 0
        return joined[..., start : start + self.length, :]
