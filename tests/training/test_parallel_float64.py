"""What several processes compute otherwise than one is rounding: in float64 their losses agree to twelve digits.

In float32 a neuron at its threshold may fire in one and not in the other, and the losses then differ in the fourth
digit; a mistake in how a batch is shared would differ by as much in either precision.
"""

import dataclasses

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.models import Recipe, model_class
from snnvtg.records import Batch
from snnvtg.training import train

pytestmark = pytest.mark.slow
DATA = SyntheticConfig(num_train=63, num_val=12, num_test=4)
"""with batches of 20 the last one is of three"""
FLOATS = ("video", "text", "boundaries", "saliency")


def in_float64() -> None:
    """Make everything of this process float64: parameters, batches, and what is otherwise computed in float32."""
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    moved = Batch.to
    Batch.to = lambda batch, device: _doubled(moved(batch, device))


def _doubled(batch: Batch) -> Batch:
    return dataclasses.replace(batch, **{name: getattr(batch, name).double() for name in FLOATS})


def _work(rank: int, count: int, place: str, recipe: Recipe) -> None:
    torch.set_num_threads(1)
    in_float64()
    if count > 1:
        dist.init_process_group("gloo", init_method=f"file://{place}/meet", rank=rank, world_size=count)
    history = train(recipe, generate(DATA), seed=0, quiet=True).progress["history"]
    if rank == 0:
        torch.save([epoch["loss"] for epoch in history], f"{place}/{count}.pt")


def recipe_of(name: str) -> Recipe:
    """The preset `demo` without dropout, whose draws no split of a batch keeps."""
    recipe = model_class(name).recipe("demo")
    drops = {field.name: 0.0 for field in dataclasses.fields(recipe.model) if "dropout" in field.name}
    training = dataclasses.replace(recipe.training, epochs=2, batch_size=20)
    return dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, **drops), training=training)


@pytest.mark.parametrize("name", ["spikemba", "spikemba_retrieval"])
def test_in_float64_several_processes_lose_what_one_does(tmp_path, name):
    for count in (1, 2, 4):
        mp.spawn(_work, (count, str(tmp_path), recipe_of(name)), nprocs=count)
    alone, *others = (torch.load(tmp_path / f"{count}.pt") for count in (1, 2, 4))
    for several in others:
        assert several == pytest.approx(alone, rel=1e-12)
