"""Controls on spikes: a model whose spikes are changed on their way, to see whether its answers are made of them.

What a model still gets right with its spikes permuted over the clips, it does not owe to where they are; with none at
all, it does not owe to them. A model without neurons answers as it does without the control.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.models.contract import GroundingModel
from snnvtg.models.retrieval import distinct_videos
from snnvtg.records import Batch

SpikeControl = Callable[[GroundingModel, int], AbstractContextManager[None]]


@contextmanager
def permuted_spikes(model: GroundingModel, seed: int) -> Iterator[None]:
    """Within the block the spikes (T, B, M, C) of the model's proposing layers are permuted over the clips.

    One random order for each sample, the same for all time steps, channels and layers; padding and what is no clip
    stay where they are.
    """
    generator = torch.Generator().manual_seed(seed)
    orders: list[Tensor] = []
    indexed = model.index

    def enter(_: nn.Module, args: tuple) -> None:
        batch = args[0]
        rows = distinct_videos(batch)[0] if model.needs.every_video else slice(None)
        orders[:] = [_order(batch.video_mask[rows], generator)]

    def index(videos: Batch) -> Any:
        orders[:] = [_order(videos.video_mask, generator)]
        return indexed(videos)

    def permuted(first: int) -> Callable:
        def change(_: nn.Module, __: tuple, out: Tensor | tuple) -> Tensor | tuple:
            return _spikes_changed(out, lambda spikes: _permuted(spikes, orders[0], first))

        return change

    with ExitStack() as stack:
        stack.callback(model.register_forward_pre_hook(enter).remove)
        model.index = index  # no module of its own, that a hook would hear of
        stack.callback(vars(model).pop, "index")
        for name, layer in model.proposing_layers().items():
            hook = permuted(layer.first_clip)
            stack.callback(model.get_submodule(name).register_forward_hook(hook).remove)
        yield


@contextmanager
def silent_spikes(model: GroundingModel, seed: int) -> Iterator[None]:
    """Within the block no neuron of the model's proposing layers spikes; `seed` is not used."""
    with ExitStack() as stack:
        for name in model.proposing_layers():
            hook = model.get_submodule(name).register_forward_hook(
                lambda _, __, out: _spikes_changed(out, torch.zeros_like)
            )
            stack.callback(hook.remove)
        yield


SPIKE_CONTROLS: dict[str, SpikeControl] = {"permuted-spikes": permuted_spikes, "silent-spikes": silent_spikes}
"""(model, seed) -> a context in which the model's spikes are changed"""


def _order(valid_mask: Tensor, generator: torch.Generator) -> Tensor:
    """(B, L): a random order of the valid positions of each sample, then the others as they stand."""
    noise = torch.rand(valid_mask.shape, generator=generator).to(valid_mask.device)
    place = torch.arange(valid_mask.shape[1], device=valid_mask.device).expand_as(noise)
    return torch.where(valid_mask, noise, 1.0 + place).argsort(1)


def _permuted(spikes: Tensor, order: Tensor, first: int) -> Tensor:
    """Clips stand at [first, first + L) of M positions; the rest keeps its place."""
    count = order.shape[1]
    clips = spikes[:, :, first : first + count]
    index = order[None, :, :, None].expand(clips.shape)
    return torch.cat([spikes[:, :, :first], clips.gather(2, index), spikes[:, :, first + count :]], 2)


def _spikes_changed(out: Tensor | tuple, change: Callable[[Tensor], Tensor]) -> Tensor | tuple:
    return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)
