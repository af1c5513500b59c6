"""Recordings of `experiments/explore.py` in a folder of reports, and the figure of one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from snnvtg.errors import InputError
from snnvtg.page.recording import unpacked
from snnvtg.plots.membranes import LayerTrace, membrane_figure

NAMES = "explorer*.json"


def read_recordings(folder: Path) -> dict[str, dict[str, Any]]:
    """The recordings below `folder` by path within it; a file of that name that is none is an InputError."""
    found = {}
    for path in sorted(folder.rglob(NAMES)):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            content = None
        if not (isinstance(content, dict) and content.get("videos")):
            raise InputError(f"{path}: no recording of experiments/explore.py; make it again or move it away")
        found[path.relative_to(folder).as_posix()] = content
    return found


def recorded_figures(folder: Path) -> Iterator[tuple[str, Figure]]:
    """(path within the folder without suffix, figure) of each recording: its first video under its own query."""
    for name, recording in read_recordings(folder).items():
        answer = recording["videos"][0]["answers"][0]
        layers = {}
        for layer in answer["layers"]:
            spikes, potential = unpacked(layer)
            layers[layer["title"]] = LayerTrace(spikes.astype(float), potential, layer["v_threshold"])
        title = f"{recording['model']} on {recording['data']} data: “{answer['query']}”"
        about = {"truth": answer["relevant_windows"], "predicted": answer["pred_relevant_windows"], "title": title}
        yield name.removesuffix(".json"), membrane_figure(layers, clip_length=recording["clip_length"], **about)
