"""Features of a backbone's last K layers with their patches, as R²-Tuning stores them: half precision, memory-mapped.

    features/NAME/{vid}.npy         (clips, K, P, width) float16: all layers and places of a video in one array, layers
                                    in the backbone's order (its last one last), the class token first of P places
    features/NAME_text/{qid}.npy    (tokens, K, width) float16: of a query, the same layers of the text encoder

They are used as stored, neither normalised nor joined to time endpoints: R² has a LayerNorm in front and counts clips
itself. `extract_features.py --layers K` writes them; R²'s own folders (clip_b32_vid_k4, clip_b32_txt_k4) are such.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from snnvtg.data.arrays import read_array
from snnvtg.data.features import check_finite_rows, feature_file
from snnvtg.data.hdf5 import is_hdf5
from snnvtg.errors import InputError

VIDEO_AXES, TEXT_AXES = "(clips, layers, places, width)", "(tokens, layers, width)"


def holds_layers(folder: Path, vid: str) -> bool:
    """Whether the file of `vid` in `folder` has the four axes of layered features; its header is read, no more."""
    if is_hdf5(folder):
        return False
    path = feature_file(folder, vid)
    return path.suffix == ".npy" and _mapped(path).ndim == 4


class LayeredFeatures(Mapping[str, np.ndarray]):
    """vid → features (L, K, P, width) float32, read from the memory-mapped file of a video on demand.

    Stands in for the dictionary of a GroundingDataset. Opening it reads headers; numbers that are not finite are an
    InputError where a video is read. `checksum` covers the shapes and the class tokens of every first clip.
    """

    def __init__(self, vids: Sequence[str], folder: Path):
        self.folder = folder
        self.paths = {vid: feature_file(folder, vid) for vid in vids}
        digest, self._lengths = hashlib.sha256(), {}
        self.shape: tuple[int, ...] = ()
        for vid in sorted(self.paths):
            array = _mapped(self.paths[vid])
            check_axes(array, self.paths[vid], VIDEO_AXES)
            self.shape = self.shape or array.shape[1:]
            if array.shape[1:] != self.shape:
                raise InputError(
                    f"{self.paths[vid]}: layers, places and width {array.shape[1:]}; the first video has {self.shape}; "
                    "extract it with the same backbone and --layers"
                )
            self._lengths[vid] = len(array)
            digest.update(f"{vid}{array.shape}".encode() + np.ascontiguousarray(array[0, :, 0]).tobytes())
        self.checksum = digest.hexdigest()[:16]

    def __getitem__(self, vid: str) -> np.ndarray:
        return _finite(_mapped(self.paths[vid]), self.paths[vid])

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def num_layers(self) -> int:
        """K."""
        return self.shape[0]

    def num_clips(self, vid: str) -> int:
        """Clips of a video, without reading them."""
        return self._lengths[vid]


def read_layers(path: Path, axes: str) -> np.ndarray:
    """A whole file of layered features, float32, of VIDEO_AXES or TEXT_AXES; InputError names it where it is not."""
    array = read_array(path, "features")
    check_axes(array, path, axes)
    return _finite(array, path)


def check_axes(array: np.ndarray, path: Path, axes: str) -> None:
    """InputError unless `array` has as many axes as `axes` names, none of them empty."""
    if array.ndim != axes.count(",") + 1 or 0 in array.shape:
        raise InputError(f"{path}: shape {array.shape}; expected {axes}, as extract_features.py --layers writes")
    if array.dtype.kind != "f":
        raise InputError(f"{path}: {array.dtype} where float16 or float32 is expected; extract it again")


def check_same_layers(of_video: int, of_text: int, folder: Path | str) -> None:
    """InputError where videos and queries have different numbers of feature layers."""
    if of_video != of_text:
        raise InputError(
            f"{folder}: videos have {of_video} feature layers, queries {of_text}; name token files of the same layers "
            "as text (features/NAME_text for --text NAME)"
        )


def _finite(array: np.ndarray, path: Path) -> np.ndarray:
    return check_finite_rows(array.reshape(len(array), -1), path).reshape(array.shape)


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); extract or copy it again") from None
    except Exception as error:  # what a damaged header makes numpy's parser raise
        raise InputError(f"{path}: damaged or not an .npy file ({error}); extract or copy it again") from None
