import pytest

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.training import TrainingConfig


@pytest.fixture(scope="session")
def small_data():
    return generate(
        SyntheticConfig(num_train=24, num_val=8, num_test=8, min_clips=16, max_clips=20, long_range_fraction=0)
    )


@pytest.fixture
def quick() -> TrainingConfig:
    return TrainingConfig(
        epochs=3, batch_size=8, learning_rate=1e-3, schedule="cosine", ema_decay=0.9, word_dropout=0.2
    )
