from itertools import pairwise

import numpy as np
import pytest

from snnvtg.data.synthetic import SyntheticConfig, generate, render
from snnvtg.data.synthetic_scene import Scene, Segment, plan_scene
from snnvtg.data.synthetic_words import Vocabulary
from snnvtg.errors import InputError
from snnvtg.metrics import fit_prior, prior_predictions, retrieval_metrics

SMALL = SyntheticConfig(num_train=60, num_val=20, num_test=40)


def scenes(config, count=300):
    words, generator = Vocabulary.draw(config), np.random.default_rng(0)
    return [plan_scene(config, words, generator, train=False) for _ in range(count)]


def test_the_same_config_gives_the_same_data_and_another_seed_other_data():
    assert generate(SMALL).checksum == generate(SMALL).checksum
    other = SyntheticConfig(num_train=60, num_val=20, num_test=40, seed=1)
    assert generate(other).checksum != generate(SMALL).checksum


def test_it_says_that_it_is_synthetic():
    data = generate(SMALL)
    assert "synthetic" in data.name
    assert (len(data.train), len(data.val), len(data.test)) == (60, 20, 40)
    assert data.train[0].video.shape[1] == data.video_width and data.train[0].text.shape[1] == data.text_width


def test_resizing_one_split_leaves_the_others():
    first = generate(SMALL)
    second = generate(SyntheticConfig(num_train=90, num_val=20, num_test=40))
    assert first.test.queries == second.test.queries
    np.testing.assert_array_equal(first.test[3].video, second.test[3].video)


def test_strength_and_noise_change_features_but_not_scenes():
    loud = generate(SyntheticConfig(num_train=60, num_val=20, num_test=40, distractor_strength=9.0, noise=0.1))
    assert loud.test.queries == generate(SMALL).test.queries


def test_segments_are_disjoint_in_order_and_in_the_video():
    for scene in scenes(SMALL):
        stop = 0
        for segment in scene.segments:
            assert segment.length > 0
            assert segment.start >= stop
            stop = segment.stop + 1  # an empty clip between any two
        assert scene.segments[-1].stop <= scene.num_clips <= SMALL.max_clips


def test_cues_keep_their_distance_and_the_latest_cue_decides():
    config = SyntheticConfig(long_range_fraction=1.0, cue_distance=7)
    asked_first = 0
    for scene in scenes(config):
        chain = [segment for segment in scene.segments if segment.kind in {"cue", "asked", "twin"}]
        assert [segment.kind == "cue" for segment in chain] == [True, False, True, False]
        assert all(later.start - earlier.stop >= 7 for earlier, later in pairwise(chain))
        for cue, event in zip(chain[::2], chain[1::2], strict=True):
            assert (cue.variant == 1) == (event.kind == "asked")
        assert chain[1].words == chain[3].words == scene.asked
        assert chain[1].length == chain[3].length
        asked_first += chain[1].kind == "asked"
    assert 110 < asked_first < 190  # even odds: 150 ± 4.6 standard deviations


def test_hard_negatives_differ_from_the_asked_event_in_one_word():
    negatives = [(scene, s) for scene in scenes(SMALL) for s in scene.segments if s.kind == "negative"]
    assert len(negatives) > 300
    for scene, segment in negatives:
        assert sum(a != b for a, b in zip(scene.asked, segment.words, strict=True)) == 1


def test_without_the_query_any_of_the_events_could_be_meant():
    config = SyntheticConfig(long_range_fraction=0.0)
    first = longest = complete = 0
    for scene in scenes(config, 600):
        events = [segment for segment in scene.segments if segment.kind in {"asked", "negative"}]
        if len(events) < 3:
            continue
        complete += 1
        assert len({segment.words for segment in events}) == 3
        pairs = [(a, b) for i, a in enumerate(events) for b in events[i + 1 :]]
        assert all(sum(x != y for x, y in zip(a.words, b.words, strict=True)) == 1 for a, b in pairs)
        first += events[0].kind == "asked"
        longest += max(events, key=lambda segment: segment.length).kind == "asked"
    # a third each: standard deviation 0.02
    assert complete > 550
    assert 0.25 < first / complete < 0.42
    assert 0.25 < longest / complete < 0.42


def test_distractors_share_one_word_and_have_the_norm_asked_for():
    config = SyntheticConfig(distractor_strength=5.0, noise=0.0)
    words = Vocabulary.draw(config)
    asked = tuple(names[0] for names in words.lists)
    segments = (Segment("asked", asked, 4, start=0), Segment("distractor", asked[:1], 400, start=10))
    scene = Scene(num_clips=410, asked=asked, long_range=False, segments=segments)
    clips = render(scene, words, config, np.random.default_rng(0))[:, :-2]
    # join_backbones adds time only: the scene's own offset (norm 0.5) is what lies in the empty clips
    shown = clips[10:] - clips[5]
    assert np.linalg.norm(shown, axis=1).mean() == pytest.approx(5.0, rel=0.03)  # intensity varies by ±20 %
    image = words.images[asked[0]]
    assert (shown @ image > 0).all()


def test_train_never_asks_for_the_unseen_combinations_and_test_does():
    data = generate(SyntheticConfig(num_train=300, num_val=5, num_test=100))
    assert not any("unseen-combination" in query.tags for query in data.train.queries)
    share = np.mean(["unseen-combination" in query.tags for query in data.test.queries])
    assert 0.05 < share < 0.4  # a fifth of the combinations


def test_the_window_is_the_asked_event_and_tags_tell_the_groups():
    data = generate(SMALL)
    for query in data.test.queries:
        ((start, end),) = query.relevant_windows
        assert 0 <= start < end <= query.duration
        assert query.tags[0] in {"long-range", "local"}


def test_a_fixed_window_does_poorly():
    data = generate(SyntheticConfig(num_train=300, num_val=5, num_test=200))
    span = fit_prior(data.train.queries)
    figures = retrieval_metrics(prior_predictions(data.test.queries, span), data.test.queries)
    assert figures["R1@0.5"] < 35 and figures["mIoU"] < 35


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"num_test": 0}, "num_test is 0; expected at least 1"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"long_range_fraction": 1.5}, "long_range_fraction is 1.5; expected 0 to 1"),
        ({"unseen_fraction": 1.0}, "expected 0 to 0.9"),
        ({"min_clips": 80}, "min_clips is 80, above max_clips 64"),
        ({"cue_distance": 30}, "max_clips is 64; two cues and two events need 102"),
        ({"min_clips": 5}, "min_clips is 5; expected at least min_window + 2 = 6"),
    ],
)
def test_a_knob_out_of_range_is_named(knobs, said):
    with pytest.raises(InputError) as caught:
        SyntheticConfig(**knobs)
    assert said in str(caught.value)
