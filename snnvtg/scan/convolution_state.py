"""The state of a causal convolution, its last K - 1 inputs: put before a call, and taken after it."""

from dataclasses import replace

import torch
from torch import Tensor

from snnvtg.scan.inputs import numbered


def prepend(call, state: Tensor):
    """The call with `state` (B, K - 1, D), in scan order, as valid positions before its first step."""
    length = state.shape[1]
    state = state.to(call.x.dtype)

    def join(first: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([rest, first.flip(1)] if call.reverse else [first, rest], 1)

    mask, sequence = call.valid_mask, call.seq_idx
    if mask is not None:
        mask = join(mask.new_ones(mask.shape[0], length), mask)
    if sequence is not None:
        # it belongs to the first sequence of the row
        begun = sequence[:, -1:] if call.reverse else sequence[:, :1]
        sequence = join(begun.expand(-1, length), sequence)
    return replace(call, x=join(state, call.x), valid_mask=mask, seq_idx=sequence)


def last_inputs(call, state: Tensor | None) -> Tensor:
    """The K - 1 inputs (B, K - 1, D) up to the last valid step of each row, in scan order; `state` stood before them.

    Zeros stand where there were fewer, and where inputs belong to another sequence than the last one's.
    """
    width, x, mask = call.weight.shape[1] - 1, call.masked_x(), call.valid_mask
    sequence = None if call.seq_idx is None else numbered(call.seq_idx)
    if call.reverse:
        x, mask, sequence = (None if t is None else t.flip(1) for t in (x, mask, sequence))
    before = x.new_zeros(x.shape[0], width, x.shape[2]) if state is None else state.to(x.dtype)
    history, length = torch.cat([before, x], 1), x.shape[1]
    place = torch.arange(length, device=x.device)
    # one beyond the last valid step of each row, the whole length where all are valid
    if mask is None:
        end = place.new_full((x.shape[0],), length)
    else:
        end = torch.cat([place.new_zeros(x.shape[0], 1), torch.where(mask, place + 1, 0)], 1).amax(1)
    index = end[:, None] + torch.arange(width, device=x.device)
    taken = history.gather(1, index[..., None].expand(-1, -1, x.shape[2]))
    if sequence is None or not length:
        return taken
    numbers = torch.cat([sequence[:, :1].expand(-1, width), sequence], 1)
    last = sequence.gather(1, (end - 1).clamp(min=0)[:, None])
    return torch.where((numbers.gather(1, index) == last)[..., None], taken, 0)
