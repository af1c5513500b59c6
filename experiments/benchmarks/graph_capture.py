"""A model's passes as CUDA graphs: one launch each, so that only the device's own time counts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from snnvtg.models.spikemba import SpikeMba, SpikeMbaOutput
from snnvtg.models.spikemba.slots import SlotLayout
from snnvtg.records import Batch


class _OnTensors(nn.Module):
    """A model from a batch's tensors to the tensors of its output: what a CUDA graph can hold."""

    def __init__(self, model: SpikeMba, batch: Batch):
        super().__init__()
        self.model, self.batch = model, batch

    def forward(self, video: Tensor, video_mask: Tensor, text: Tensor, text_mask: Tensor) -> tuple[Tensor, ...]:
        given = {"video": video, "video_mask": video_mask, "text": text, "text_mask": text_mask}
        out = self.model(replace(self.batch, **given))
        return out.foreground_logits, out.boundaries, out.saliency, out.clips, out.query, out.words, *out.spikes


@contextmanager
def _layouts_known(masks: tuple[Tensor, ...], num_slots: int, position: str) -> Iterator[None]:
    """Within the block the layouts of `masks` are at hand: to find one the host has to look at the mask."""
    known = {mask.data_ptr(): SlotLayout.of(mask, num_slots, position) for mask in masks}
    asked = SlotLayout.__dict__["of"]
    SlotLayout.of = staticmethod(lambda mask, num_slots, position: known[mask.data_ptr()])
    try:
        yield
    finally:
        SlotLayout.of = asked


def graphed(model: SpikeMba, batch: Batch, training: bool, precision: str) -> Callable[[Batch], SpikeMbaOutput]:
    """The model's forward pass, with `training` its backward pass too, on this one batch; needs a GPU."""
    model.train(training)
    given = (batch.video, batch.video_mask, batch.text, batch.text_mask)
    mixed = torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
    layouts = _layouts_known((batch.video_mask, batch.text_mask), model.config.num_slots, model.config.slot_position)
    with mixed, layouts, torch.set_grad_enabled(training):
        run = torch.cuda.make_graphed_callables(_OnTensors(model, batch), given)

    def replay(batch: Batch) -> SpikeMbaOutput:
        foreground, boundaries, saliency, clips, query, words, *spikes = run(*given)
        return SpikeMbaOutput(foreground, boundaries, saliency, clips, query, words, tuple(spikes))

    return replay
