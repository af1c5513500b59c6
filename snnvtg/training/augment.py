"""Augmentation of a training batch, so that two thousand queries are not memorised as fast."""

import dataclasses

import torch

from snnvtg.records import Batch


def drop_words(batch: Batch, share: float) -> Batch:
    """Zero whole words of the queries at random, never all of a query."""
    dropped = torch.rand(batch.text_mask.shape, device=batch.text.device) < share
    dropped &= (batch.text_mask & ~dropped).any(1, keepdim=True)
    return dataclasses.replace(batch, text=batch.text.masked_fill(dropped.unsqueeze(-1), 0))
