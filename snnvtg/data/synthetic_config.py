"""Settings of the synthetic data set."""

from dataclasses import dataclass, fields

from snnvtg.data.synthetic_scene import least_clips
from snnvtg.errors import InputError

SAME_SCENES = ("distractor_strength", "cue_strength", "noise")
"""settings that change no scene: with other values of these the same queries are asked about the same events"""


@dataclass(frozen=True)
class SyntheticConfig:
    """The knobs; strengths and noise are norms, where one word's image in a clip has norm 1."""

    seed: int = 0
    num_train: int = 600
    num_val: int = 150
    num_test: int = 200
    min_clips: int = 32
    max_clips: int = 64
    min_window: int = 4
    """clips of the shortest asked event"""
    max_window: int = 14
    num_attributes: int = 4
    num_verbs: int = 4
    num_objects: int = 5
    num_hard_negatives: int = 2
    num_distractors: int = 2
    distractor_strength: float = 3.0
    """norm of a distractor's clips; an event's is √3 = 1.7"""
    long_range_fraction: float = 0.3
    cue_distance: int = 8
    """least number of clips between a cue and a matching event, before and after it"""
    cue_strength: float = 2.0
    noise: float = 1.5
    unseen_fraction: float = 0.2
    """part of the word combinations that train never asks for"""
    feature_width: int = 62
    """time endpoints not counted"""
    text_width: int = 32
    clip_length: float = 1.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            least, most = _LEAST.get(field.name, 0), 2**32 - 1 if field.name == "seed" else 10**6
            if not value >= least:
                raise InputError(f"{field.name} is {value}; expected at least {least}")
            if value > most:
                raise InputError(f"{field.name} is {value}; expected at most {most}")
        if self.long_range_fraction > 1:
            raise InputError(f"long_range_fraction is {self.long_range_fraction}; expected 0 to 1")
        if self.unseen_fraction > 0.9:
            raise InputError(f"unseen_fraction is {self.unseen_fraction}; expected 0 to 0.9")
        for low, high in (("min_clips", "max_clips"), ("min_window", "max_window")):
            if getattr(self, low) > getattr(self, high):
                raise InputError(f"{low} is {getattr(self, low)}, above {high} {getattr(self, high)}")
        room = least_clips(self)
        if self.long_range_fraction > 0 and room > self.max_clips:
            raise InputError(f"max_clips is {self.max_clips}; two cues and two events need {room} at this cue_distance")
        if self.min_clips < self.min_window + 2:
            raise InputError(f"min_clips is {self.min_clips}; expected at least min_window + 2 = {self.min_window + 2}")


_LEAST = {
    **dict.fromkeys(("num_train", "num_val", "num_test", "min_window", "feature_width", "text_width"), 1),
    **dict.fromkeys(("num_attributes", "num_verbs", "num_objects"), 2),
    "clip_length": 1e-6,
}
