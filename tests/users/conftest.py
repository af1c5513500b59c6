"""What a user has before they start: a folder of features with annotations, and this folder of their own files."""

import json
from pathlib import Path

import numpy as np
import pytest

WORDS = ("a", "person", "opens", "closes", "the", "door")
SIZES = {"train": 6, "val": 2, "test": 2}
CLIPS, WIDTH = 8, 6


@pytest.fixture(scope="session")
def mine() -> Path:
    """The folder of the user's own files."""
    return Path(__file__).parent


@pytest.fixture(scope="session")
def moments(tmp_path_factory) -> Path:
    """Twelve training, four validation and four test queries, two per video of 8 clips of 1 s; GloVe of width 4."""
    root = tmp_path_factory.mktemp("data") / "moments"
    (root / "features" / "clip").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for split, size in SIZES.items():
        lines = []
        for number in range(size):
            vid = f"{split}_{number}"
            features = generator.standard_normal((CLIPS, WIDTH))
            for verb, windows in (("opens", [[1.0, 3.0]]), ("closes", [[4.0, 6.0], [7.0, 8.0]])):
                features[int(windows[0][0]) : int(windows[0][1]), verb == "closes"] += 3
                line = {"qid": f"{vid}_{verb}", "query": f"a person {verb} the door", "vid": vid}
                lines.append(json.dumps({**line, "duration": float(CLIPS), "relevant_windows": windows}) + "\n")
            np.savez(root / "features" / "clip" / f"{vid}.npz", features=features)
        (root / f"{split}.jsonl").write_text("".join(lines))
    vectors = generator.standard_normal((len(WORDS), 4))
    text = [f"{word} {' '.join(f'{value:.3f}' for value in row)}\n" for word, row in zip(WORDS, vectors, strict=True)]
    (root / "glove.tiny.txt").write_text("".join(text))
    return root


@pytest.fixture
def quick(moments) -> tuple:
    """One epoch on that folder, in one process."""
    return ("--data", moments, "--set", "training.epochs=1", "--set", "training.batch_size=4")
