"""Labels beside what they name, none upon another."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

POINT = 7.0
"""half the side of the square that a marker keeps free, in points"""
OFFSETS = ((1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
DISTANCES = (8, 15, 24, 34, 50, 70)
"""where a label is tried: to which sides of its point, and how far away in points"""
ANCHORS = {1: ("left", "bottom"), 0: ("center", "center"), -1: ("right", "top")}

Boxes = np.ndarray
"""(N, 4): left, bottom, right, top in pixels"""


def label_points(
    axis: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    colours: Sequence[str],
    lines: Sequence[Sequence[tuple[float, float]]] = (),
    size: float = 10.5,
) -> None:
    """Write each text beside its point, where it meets no other label or marker; the last thing done to a figure.

    `lines` (points in data coordinates, joined) are kept free as well, error bars for instance.
    """
    figure = axis.figure.figure  # the root, where the axes are in a subfigure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    if not points:
        return
    scale = figure.dpi / 72
    places = axis.transData.transform(points)
    squares = np.hstack([places - POINT * scale, places + POINT * scale])
    drawn = [_along(axis.transData.transform(line), 2 * scale) for line in lines]
    frame = np.array(axis.get_window_extent().extents)
    labels = np.empty((0, 4))
    for number, (point, text, colour) in enumerate(zip(points, texts, colours, strict=True)):
        label = axis.annotate(text, point, (0, 0), textcoords="offset points", fontsize=size, color=colour)
        extent = label.get_window_extent()
        # another label is the worst to meet, a marker next, a line may be crossed if it must
        taken = ((30, labels), (10, np.delete(squares, number, 0)), *((4, line) for line in drawn))
        others = np.delete(places, number, 0)
        offset, box = _freest((extent.width, extent.height), places[number], taken, others, frame, scale)
        label.set_position([far * side for far, side in zip(offset[2:], offset[:2], strict=True)])
        label.set_horizontalalignment(ANCHORS[offset[0]][0])
        label.set_verticalalignment(ANCHORS[offset[1]][1])
        labels = np.vstack([labels, box])


def _freest(
    size: tuple[float, float],
    place: np.ndarray,
    taken: Sequence[tuple[float, Boxes]],
    others: np.ndarray,
    frame: np.ndarray,
    scale: float,
) -> tuple[tuple[float, ...], np.ndarray]:
    """(right, up, far, far) and the box of the place that meets least, stays within the axes and near its point.

    `taken`: a weight for each set of boxes; `others` (N, 2): points a label here could be read as belonging to.
    """
    found = []
    for far, (right, up) in itertools.product(DISTANCES, OFFSETS):
        corner = place + scale * far * np.array([right, up]) - np.array(size) * [(1 - right) / 2, (1 - up) / 2]
        box = np.array([*corner, *(corner + size)])
        outside = size[0] * size[1] - _shared(box, frame[None]).sum()
        middle = corner + np.array(size) / 2
        strange = (np.hypot(*(others - middle).T) < np.hypot(*(place - middle))).any()
        met = sum(weight * _shared(box, boxes).sum() for weight, boxes in taken)
        cost = met + 30 * outside + 8 * scale * far + 300 * strange
        found.append((cost, len(found), (right, up, far, far), box))
    return min(found)[2:]


def _along(line: np.ndarray, half: float) -> Boxes:
    """Small squares along a line in display coordinates."""
    middles = []
    for start, end in itertools.pairwise(line):
        parts = np.linspace(0, 1, 2 + int(np.hypot(*(end - start)) / (3 * half)))
        middles.append(start + parts[:, None] * (end - start))
    joined = np.concatenate(middles) if middles else np.empty((0, 2))
    return np.hstack([joined - half, joined + half])


def _shared(box: np.ndarray, boxes: Boxes) -> np.ndarray:
    """(N,) area that `box` shares with each of `boxes`."""
    wide = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    high = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    return np.clip(wide, 0, None) * np.clip(high, 0, None)


def label_ends(axis: Axes, ends: Sequence[tuple[float, float, str, str]], size: float = 10.5) -> None:
    """Write (x, y, text, colour) to the right of where each line ends, pushed apart where they are close.

    x and y in data coordinates, x the same for all lines or nearly so.
    """
    if not ends:
        return
    figure = axis.figure.figure  # the root, where the axes are in a subfigure
    figure.draw_without_rendering()
    line = 1.25 * size * figure.dpi / 72
    order = sorted(range(len(ends)), key=lambda i: ends[i][1])
    wanted = [axis.transData.transform(ends[i][:2])[1] for i in order]
    right = max(end[0] for end in ends)
    for place, at, height in zip(order, wanted, _apart(wanted, line), strict=True):
        _, y, text, colour = ends[place]
        shifted = offset_copy(axis.transData, figure, x=9, y=(height - at) * 72 / figure.dpi, units="points")
        axis.text(right, y, text, transform=shifted, color=colour, fontsize=size, va="center", clip_on=False)


def _apart(wanted: Sequence[float], least: float) -> list[float]:
    """Heights in rising order, each at least `least` above the one before, as near to those wanted as that allows."""
    groups: list[list[float]] = []  # [middle, number]
    for height in wanted:
        groups.append([height, 1])
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < least * (groups[-1][1] + groups[-2][1]) / 2:
            (a, n), (b, m) = groups[-2], groups.pop()
            groups[-1] = [(a * n + b * m) / (n + m), n + m]
    return [middle + least * (k - (number - 1) / 2) for middle, number in groups for k in range(int(number))]
