import dataclasses

import torch

from snnvtg.energy import Ledger
from snnvtg.models.spikemba import SpikeMba
from snnvtg.training import load_checkpoint, train


def test_it_travels_in_the_checkpoint_and_stays_what_it_was_fitted_to(small_data, tiny, quick, recipe, tmp_path):
    config = dataclasses.replace(tiny, alignment="ridge", alignment_ridge=10.0)
    checkpoint = train(recipe(config, quick), small_data, seed=0, quiet=True)
    checkpoint.save(tmp_path / "model.pt")
    model = load_checkpoint(tmp_path / "model.pt").build()
    fresh = SpikeMba(config, small_data.video_width, small_data.text_width)
    fresh.fit(small_data.train)
    torch.testing.assert_close(model.alignment.weight, fresh.alignment.weight)
    with torch.no_grad(), Ledger(model) as ledger:
        model(small_data.val.batch([0]))
    assert ledger.coverage == 1, ledger.unpriced
