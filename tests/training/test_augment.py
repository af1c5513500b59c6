import torch

from snnvtg.training.augment import drop_words


def test_words_are_dropped_whole_and_never_all(make_batch):
    torch.manual_seed(0)
    batch = make_batch()
    for _ in range(50):
        dropped = drop_words(batch, 0.7).text
        kept = (dropped == batch.text).all(-1)
        zeroed = (dropped == 0).all(-1)
        assert (kept | zeroed).all()
        assert (kept & batch.text_mask).any(1).all()
