"""Controls measured beside a row: on what the model is asked about, and on its spikes, by one list of names."""

from collections.abc import Iterator
from contextlib import contextmanager

from snnvtg.data import GroundingDataset
from snnvtg.data.controls import CONTROLS as DATA_CONTROLS
from snnvtg.models import GroundingModel
from snnvtg.models.controls import SPIKE_CONTROLS

CONTROLS = (*DATA_CONTROLS, *SPIKE_CONTROLS)
"""names, as a sweep declares them"""


@contextmanager
def under_control(
    model: GroundingModel, split: GroundingDataset, control: str, seed: int
) -> Iterator[GroundingDataset]:
    """What `model` is asked about under a control; within the block its spikes are changed where the control says."""
    if control in DATA_CONTROLS:
        yield DATA_CONTROLS[control](split, seed)
        return
    with SPIKE_CONTROLS[control](model, seed):
        yield split
