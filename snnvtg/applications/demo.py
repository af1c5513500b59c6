"""A trained model, a synthetic video and word vectors that come with the package: a first question needs no data."""

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "demo"


@dataclass(frozen=True)
class Demo:
    """The files of the demo, as experiments/tools/make_demo.py writes them."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """The model."""
        return self.folder / "best.pt"

    @property
    def video(self) -> Path:
        """Features of the video."""
        return self.folder / "video.npz"

    @property
    def words(self) -> Path:
        """Word vectors in GloVe's format: the only words the model knows."""
        return self.folder / "words.txt"

    @property
    def annotation(self) -> Path:
        """What is asked, where it is, and how the video was chosen."""
        return self.folder / "query.json"

    def asked(self) -> dict:
        """The annotation."""
        return json.loads(self.annotation.read_text(encoding="utf-8"))

    def known_words(self) -> list[str]:
        """The words the model knows, in the order of the alphabet."""
        return sorted(line.split()[0] for line in self.words.read_text(encoding="utf-8").splitlines())


DEMO = Demo(FOLDER)
