"""CLIP features of video files, one {vid}.npz each, as the data sets' feature folders hold them.

    python experiments/tools/extract_features.py --videos videos/*.mp4 --weights clip-vit-base-patch32 \\
        --clip-length 2 --out features/clip

Decodes every frame and encodes one per clip, the one at its middle. Videos whose features are in the folder
already are left alone, so the same command resumes. Needs the extra `video`.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from snnvtg.cli.command import CommandOptions, run
from snnvtg.errors import InputError


@dataclass(frozen=True)
class Options(CommandOptions):
    """Extract CLIP features."""

    videos: tuple[Path, ...]
    """video files; the name without its suffix is the vid"""
    weights: Path
    """local folder of a CLIP model as save_pretrained writes it"""
    out: Path
    """folder of the features"""
    clip_length: float = 2.0
    """seconds a feature row covers: 2 for QVHighlights and TACoS, 1 for Charades-STA"""
    batch_size: int = 32
    device: str = "cpu"

    def kept(self) -> str:
        """As CommandOptions: the files that are finished."""
        return f"what is finished is in {self.out}; the same command goes on"


def main(options: Options) -> None:
    """Extract what is missing."""
    if options.batch_size < 1:
        raise InputError(f"batch_size is {options.batch_size}; expected at least 1")
    targets = feature_files(options.videos, options.out)
    from snnvtg.data.raw_video import ClipImages, video_features, write_features
    from snnvtg.sweeps.checks import check_device

    check_device(options.device)
    encoder = ClipImages(options.weights, options.device)
    kept = 0
    for video, target in targets.items():
        if target.is_file():
            kept += 1
            continue
        start = time.perf_counter()
        features = video_features(video, encoder, options.clip_length, options.batch_size)
        write_features(features, target)
        print(f"{target}: {len(features)} clips, width {encoder.width}, {time.perf_counter() - start:.1f} s")
    print(f"{len(targets) - kept} videos written, {kept} were there already")


def feature_files(videos: tuple[Path, ...], out: Path) -> dict[Path, Path]:
    """video → its feature file; InputError where two videos would share one."""
    if not videos:
        raise InputError("videos: name at least one file")
    owners: dict[Path, Path] = {}
    for video in videos:
        target = out / f"{video.stem}.npz"
        if target in owners:
            raise InputError(f"{video}: has the vid {video.stem!r} of {owners[target]}; rename one of them")
        owners[target] = video
    return {video: target for target, video in owners.items()}


if __name__ == "__main__":
    run(Options, main, __doc__)
