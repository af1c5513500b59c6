"""Labels beside what they name, none upon another."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox, offset_copy

POINT = 7.0
"""half the side of the square that a marker keeps free, in points"""
OFFSETS = [(1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)]


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
    scale = figure.dpi / 72
    places = [axis.transData.transform(point) for point in points]
    reach = POINT * scale
    taken = [Bbox.from_bounds(x - reach, y - reach, 2 * reach, 2 * reach) for x, y in places]
    drawn = [box for line in lines for box in _along(axis.transData.transform(line), 2 * scale)]
    frame = axis.get_window_extent()
    for number, (point, text, colour) in enumerate(zip(points, texts, colours, strict=True)):
        label = axis.annotate(text, point, (0, 0), textcoords="offset points", fontsize=size, color=colour)
        others = taken[:number] + taken[number + 1 :] + drawn
        label.set_position(_freest(label, others, frame))
        taken.append(label.get_window_extent())


def _freest(label, taken: Sequence[Bbox], frame: Bbox) -> tuple[float, float]:
    """The offset, in points, at which a label meets least of what is there and stays within the axes."""
    best, least = (8.0, 8.0), float("inf")
    for far in (8, 15, 24, 34):
        for right, up in OFFSETS:
            label.set_position((far * right, far * up))
            label.set_horizontalalignment({1: "left", 0: "center", -1: "right"}[right])
            label.set_verticalalignment({1: "bottom", 0: "center", -1: "top"}[up])
            box = label.get_window_extent()
            met = sum(_shared(box, other) for other in taken)
            cost = met + 5 * (_area(box) - _shared(box, frame)) + 8 * far
            if cost < least:
                best, least, chosen = (far * right, far * up), cost, (right, up)
    right, up = chosen
    label.set_horizontalalignment({1: "left", 0: "center", -1: "right"}[right])
    label.set_verticalalignment({1: "bottom", 0: "center", -1: "top"}[up])
    return best


def _along(line: np.ndarray, half: float) -> list[Bbox]:
    """Small squares along a line in display coordinates."""
    boxes = []
    for start, end in itertools.pairwise(line):
        for part in np.linspace(0, 1, 2 + int(np.hypot(*(end - start)) / (3 * half))):
            x, y = start + part * (end - start)
            boxes.append(Bbox.from_bounds(x - half, y - half, 2 * half, 2 * half))
    return boxes


def label_ends(axis: Axes, ends: Sequence[tuple[float, float, str, str]], size: float = 10.5) -> None:
    """Write (x, y, text, colour) to the right of where each line ends, pushed apart where they are close.

    x and y in data coordinates, x the same for all lines or nearly so.
    """
    figure = axis.figure.figure  # the root, where the axes are in a subfigure
    figure.draw_without_rendering()
    line = 1.25 * size * figure.dpi / 72
    order = sorted(range(len(ends)), key=lambda i: ends[i][1])
    wanted = [axis.transData.transform(ends[i][:2])[1] for i in order]
    found = _apart(wanted, line)
    right = max(end[0] for end in ends) if ends else 0.0
    for place, at, height in zip(order, wanted, found, strict=True):
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


def _area(box: Bbox) -> float:
    return max(box.width, 0) * max(box.height, 0)


def _shared(one: Bbox, other: Bbox) -> float:
    common = Bbox.intersection(one, other)
    return _area(common) if common is not None else 0.0
