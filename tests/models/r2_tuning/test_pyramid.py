import torch

from snnvtg.models.r2_tuning.pyramid import Pyramid, assign, pyramid_points

STRIDES = (1, 2, 4, 8)
INF = float("inf")


def points(num_clips=5, at="start", strides=STRIDES):
    return pyramid_points(num_clips, strides, at, "cpu")


def answering(windows, num_clips=32, radius=1.5):
    """(stride, place) → distances of every point that answers for one of the windows."""
    grid = points(num_clips)
    inside, distances = assign(grid, torch.tensor(windows).reshape(-1, 2), radius)
    return {
        (int(grid.stride[i]), float(grid.place[i])): tuple(distances[i].tolist()) for i in inside.nonzero().flatten()
    }


def test_points_stand_a_stride_apart_level_after_level_with_a_gap_between():
    grid = points()
    # five clips: 5, 3, 2 and 1 points
    assert grid.empty.tolist() == [False] * 5 + [True] + [False] * 3 + [True] + [False] * 2 + [True, False]
    assert grid.place[~grid.empty].tolist() == [0, 1, 2, 3, 4, 0, 2, 4, 0, 4, 0]
    assert grid.level[~grid.empty].tolist() == [0] * 5 + [1] * 3 + [2] * 2 + [3]
    centres = points(at="centre")
    assert centres.place[~grid.empty].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 1, 3, 5, 2, 6, 4]


def test_each_level_answers_for_the_distances_up_to_the_next_stride():
    grid = points()
    ranges = {(s.item(), a.item(), b.item()) for s, a, b in zip(grid.stride, grid.least, grid.most, strict=True)}
    assert ranges == {(1, 0, 2), (2, 2, 4), (4, 4, 8), (8, 8, INF)}
    alone = points(strides=(1,))
    assert alone.least.unique().tolist() == [0] and alone.most.unique().tolist() == [INF]


def test_a_moment_belongs_to_points_near_its_middle_whose_range_it_fits():
    # [4, 7]: middle 5.5. Stride 1 within 1.5 of it, farther end at most 2: 5 and 6 (4 has its end at 3).
    # Stride 2 within 3 of it and inside: 4 (0, 3) and 6 (2, 1), of which 2 ≤ farther ≤ 4 holds for both.
    assert answering([4.0, 7.0]) == {
        (1, 5.0): (1, 2), (1, 6.0): (2, 1), (2, 4.0): (0, 1.5), (2, 6.0): (1, 0.5),
    }  # fmt: skip


def test_a_long_moment_belongs_to_the_last_level():
    # [2, 30], middle 16; stride 8, within 12 of it: 8, 16, 24
    assert answering([2.0, 30.0]) == {(8, 8.0): (0.75, 2.75), (8, 16.0): (1.75, 1.75), (8, 24.0): (2.75, 0.75)}
    # [10, 26]: 16 and 24 are 10 and 14 from the farther end; 8 is outside, and stride 4 ends at 8
    assert set(answering([10.0, 26.0])) == {(8, 16.0), (8, 24.0)}


def test_where_two_moments_overlap_a_point_answers_for_the_shorter():
    both = answering([[4.0, 7.0], [5.0, 6.0]])
    assert both[1, 5.0] == (0, 1) and both[1, 6.0] == (1, 0)
    assert both[2, 4.0] == (0, 1.5)


def test_no_moment_and_no_point_near_one_leave_every_point_out():
    assert answering([]) == {}
    assert answering([2.2, 2.8]) == {}


@torch.no_grad()
def test_a_level_is_as_many_convolutions_of_two_neighbours_as_its_number():
    torch.manual_seed(0)
    pyramid, x = Pyramid(3, 3), torch.randn(1, 5, 3)
    levels, mask = pyramid(x, torch.ones(1, 5, dtype=torch.bool))
    assert [len(level) for level in pyramid.levels] == [0, 1, 2]
    assert mask[0].tolist() == [True] * 5 + [False] + [True] * 3 + [False] + [True] * 2
    torch.testing.assert_close(levels[0, :5], x[0])

    def halved(halving, y):
        y = torch.cat([y, torch.zeros(len(y) % 2, 3)])
        taps = halving.conv.weight  # (out, in, 2)
        return halving.norm(y[::2] @ taps[:, :, 0].T + y[1::2] @ taps[:, :, 1].T + halving.conv.bias).relu()

    torch.testing.assert_close(levels[0, 6:9], halved(pyramid.levels[1][0], x[0]))
    second, third = pyramid.levels[2]
    torch.testing.assert_close(levels[0, 10:], halved(third, halved(second, x[0])))
