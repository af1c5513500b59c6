"""Where in a video: the clips around the one that matches best."""

from torch import Tensor

from snnvtg.models.vectors import best_run
from snnvtg.records import Batch, Prediction


def best_moment(cosines: Tensor, shares: Tensor, scores: Tensor, batch: Batch) -> list[Prediction]:
    """One window per query, and the cosine of every clip of its video as saliency.

    cosines (B, M) of the segments, shares (B, M, L) of the clips in them, scores (B,) of the videos. The model has
    seen no window in training, so the window claims no more than this: the run of clips around the best one that lie
    above the middle between the best and the mean. Its score is the video's, which compares between videos.
    """
    shares = shares.to(cosines)
    saliency = ((cosines.unsqueeze(1) @ shares).squeeze(1) / shares.sum(1).clamp(min=1e-8)).cpu()  # (B, L)
    answers = []
    for row, query in enumerate(batch.queries):
        own = saliency[row, : int(batch.video_mask[row].sum())]
        first, stop = best_run(own)
        window = (
            min(first * batch.clip_length, query.duration),
            min(stop * batch.clip_length, query.duration),
            float(scores[row]),
        )
        answers.append(Prediction(query.qid, query.query, query.vid, (window,), tuple(own.tolist())))
    return answers
