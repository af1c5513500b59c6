"""CLIP features of video files, one {vid}.npz each, as the data sets' feature folders hold them.

    python experiments/tools/extract_features.py --videos videos/*.mp4 --weights clip-vit-base-patch32 \\
        --clip-length 2 --out features/clip

    python experiments/tools/extract_features.py --videos videos/*.mp4 --weights clip-vit-base-patch32 \\
        --clip-length 2 --layers 4 --annotations train.jsonl val.jsonl test.jsonl --out features/clip_k4

Decodes every frame and encodes one per clip, the one at its middle. Videos whose features are in the folder
already are left alone, so the same command resumes. Needs the extra `video`.

With `--layers K` the last K layers, patches kept, in half precision, as the model r2_tuning reads them: {vid}.npy, and
of the queries of `--annotations` OUT_text/{qid}.npy; train with `--backbones clip_k4 --text clip_k4`.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from snnvtg.cli.command import CommandOptions, run
from snnvtg.data.features import check_file_name
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
    layers: int | None = None
    """K, the last layers of CLIP to keep whole: class token and patches of a frame, tokens of a query; none: the
    projected feature of the last one"""
    annotations: tuple[Path, ...] = ()
    """with --layers: jsonl files whose queries' tokens are written beside, to OUT_text"""
    batch_size: int = 32
    device: str = "cpu"

    def kept(self) -> str:
        """As CommandOptions: the files that are finished."""
        return f"what is finished is in {self.out}; the same command goes on"


def main(options: Options) -> None:
    """Extract what is missing."""
    if options.batch_size < 1:
        raise InputError(f"batch_size is {options.batch_size}; expected at least 1")
    if options.annotations and options.layers is None:
        raise InputError("annotations: tokens are written with --layers alone; data is read with --text clip:FOLDER")
    layered = options.layers is not None
    targets = feature_files(options.videos, options.out, ".npy" if layered else ".npz")
    from snnvtg.data.clip_layers import ClipImageLayers, write_layers
    from snnvtg.data.raw_video import ClipImages, video_features, write_features
    from snnvtg.sweeps.checks import check_device

    check_device(options.device)
    if layered:
        encoder, write = ClipImageLayers(options.weights, options.layers, options.device), write_layers
    else:
        encoder, write = ClipImages(options.weights, options.device), write_features
    kept = 0
    for video, target in targets.items():
        if target.is_file():
            kept += 1
            continue
        start = time.perf_counter()
        features = video_features(video, encoder, options.clip_length, options.batch_size)
        write(features, target)
        print(f"{target}: {len(features)} clips, width {encoder.width}, {time.perf_counter() - start:.1f} s")
    print(f"{len(targets) - kept} videos written, {kept} were there already")
    if options.annotations:
        extract_tokens(options)


def extract_tokens(options: Options) -> None:
    """The tokens of every query that has no file yet."""
    from snnvtg.data.annotations import read_annotations
    from snnvtg.data.clip_layers import ClipTokenLayers, write_layers

    queries = [query for path in options.annotations for query in read_annotations(path, require_windows=False)]
    folder = options.out.with_name(f"{options.out.name}_text")
    encoder = ClipTokenLayers(options.weights, options.layers)
    targets = {folder / f"{query.qid}.npy": query for query in queries}
    absent = {target: query for target, query in targets.items() if not target.is_file()}
    for target, query in absent.items():
        check_file_name(str(query.qid), "qid", folder)
        write_layers(encoder(query), target)
    print(f"{folder}: {len(absent)} queries written, {len(targets) - len(absent)} were there already")


def feature_files(videos: tuple[Path, ...], out: Path, suffix: str) -> dict[Path, Path]:
    """video → its feature file; InputError where two videos would share one."""
    if not videos:
        raise InputError("videos: name at least one file")
    owners: dict[Path, Path] = {}
    for video in videos:
        target = out / f"{video.stem}{suffix}"
        if target in owners:
            raise InputError(f"{video}: has the vid {video.stem!r} of {owners[target]}; rename one of them")
        owners[target] = video
    return {video: target for target, video in owners.items()}


if __name__ == "__main__":
    run(Options, main, __doc__)
