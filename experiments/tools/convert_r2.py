"""R²-Tuning's feature folders reduced to the plain layout that every command here reads.

    python experiments/tools/convert_r2.py --videos clip_b32_vid_k4 --texts clip_b32_txt_k4 --out features

Keeps the last layer's class token of every clip and the last layer's text tokens: the degenerate form, without the
other layers and the patches that R² itself reads. Writes OUT/clip_r2/{vid}.npz and OUT/clip_r2_text/qid{qid}.npz;
as fast as the disk reads. Files already there are left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnvtg.cli.command import CommandOptions, run
from snnvtg.data.r2_features import last_layer_cls, last_layer_tokens
from snnvtg.errors import InputError
from snnvtg.files import atomic


@dataclass(frozen=True)
class Options(CommandOptions):
    """Reduce R²'s features."""

    videos: Path
    """folder of {vid}.npy (clips, layers, 1 + patches, width)"""
    out: Path
    texts: Path | None = None
    """folder of {qid}.npy (tokens, layers, width)"""

    def kept(self) -> str:
        """As CommandOptions: the files that are finished."""
        return f"what is finished is in {self.out}; the same command goes on"


def main(options: Options) -> None:
    """Convert both folders."""
    convert(options.videos, options.out / "clip_r2", "{}.npz", "features", last_layer_cls)
    if options.texts:
        convert(options.texts, options.out / "clip_r2_text", "qid{}.npz", "last_hidden_state", last_layer_tokens)


def convert(source: Path, target: Path, name: str, key: str, read: Callable[[Path], np.ndarray]) -> None:
    """Every .npy of `source` as `target`/`name` with its array under `key`."""
    files = sorted(source.glob("*.npy"))
    if not files:
        raise InputError(f"{source}: no .npy files; expected one of R²'s feature folders")
    written = 0
    for file in files:
        path = target / name.format(file.stem)
        if path.is_file():
            continue
        array = read(file)
        with atomic(path) as scratch:
            np.savez(scratch, **{key: array})
        written += 1
    print(f"{target}: {written} files written, {len(files) - written} were there already")


if __name__ == "__main__":
    run(Options, main, __doc__)
