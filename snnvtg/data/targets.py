"""What a model is trained towards, clip by clip."""

import numpy as np

from snnvtg.records import Query
from snnvtg.windows import clip_centres


def clip_targets(query: Query, num_clips: int, clip_length: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """foreground (L,) bool, boundaries (L, 2) f32 in clips, saliency (L,) f32.

    A clip is foreground where its centre lies in a window; a window that holds no centre takes the nearest clip.
    boundaries = (c_i − start, end − c_i)/clip_length of the clip's window (the shorter where windows overlap), 0
    elsewhere; the nearest clip's own may be negative on one side, by less than half a clip within the video.
    saliency = mean over raters in the data set's own scale, 0 for clips without ratings; a query without any has its
    foreground as saliency.
    """
    centres = clip_centres(num_clips, clip_length)
    foreground = np.zeros(num_clips, dtype=bool)
    boundaries = np.zeros((num_clips, 2), dtype=np.float32)
    # shortest last, so that it prevails
    for start, end in sorted(query.relevant_windows, key=lambda window: window[0] - window[1]):
        inside = (centres >= start) & (centres <= end)
        if not inside.any():
            inside[np.argmin(np.abs(centres - (start + end) / 2))] = True
        foreground |= inside
        boundaries[inside, 0] = (centres[inside] - start) / clip_length
        boundaries[inside, 1] = (end - centres[inside]) / clip_length
    return foreground, boundaries, clip_saliency(query, foreground)


def clip_saliency(query: Query, foreground: np.ndarray) -> np.ndarray:
    """Saliency (L,) f32: the mean rating of each rated clip, or `foreground` where the query has no ratings."""
    if query.relevant_clip_ids is None or query.saliency_scores is None:
        return foreground.astype(np.float32)
    saliency = np.zeros(len(foreground), dtype=np.float32)
    for clip, row in zip(query.relevant_clip_ids, query.saliency_scores, strict=True):
        # features trimmed to the shortest backbone may lack the last rated clips
        if clip < len(saliency):
            saliency[clip] = np.mean(row)
    return saliency
