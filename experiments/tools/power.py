"""How small a difference between two settings can be and still be seen: power of a paired comparison, simulated.

    python experiments/tools/power.py reports/ablation_charades_sta/ablation_table4_queries.csv

Reads each query's figures of a finished sweep. What two trainings of one row (`--row`, other seeds) answer differently
is the noise; from it differences of models that differ by `--differences` points are drawn, over the table's videos or
over as many as folds of a whole folder have (`--videos`), and told from zero by resampling videos and seeds.
"""

import argparse

import numpy as np
import pandas as pd

DRAWS, RESAMPLES = 200, 300


def noise(table: pd.DataFrame, row: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the differences between seeds of `row` in points, and numbers of queries, by pair and video (P·V,)."""
    own = table[(table["row"] == row) & (table["model"] == table[table["row"] == row]["model"].iloc[0])]
    wide = own.pivot(index=["query", "video"], columns="seed", values=metric) * 100
    if wide.shape[1] < 2:
        raise SystemExit(f"row {row!r}: expected at least two seeds, got {wide.shape[1]}")
    pairs = [wide[a] - wide[b] for i, a in enumerate(wide) for b in list(wide)[i + 1 :]]
    by_video = [pair.groupby("video").agg(["sum", "count"]).to_numpy() for pair in pairs]
    return tuple(np.concatenate(by_video).T)


def power(sums: np.ndarray, counts: np.ndarray, videos: int, seeds: int, difference: float, seed: int = 0) -> float:
    """Share of draws whose 95 % interval of the mean difference excludes 0."""
    generator, seen = np.random.default_rng(seed), 0
    for _ in range(DRAWS):
        drawn = generator.integers(len(sums), size=(seeds, videos))
        number = counts[drawn]
        totals = sums[drawn] * generator.choice([-1, 1], (seeds, videos)) + difference * number
        columns = generator.integers(videos, size=(RESAMPLES, 1, videos))
        rows = generator.integers(seeds, size=(RESAMPLES, seeds, 1))
        means = totals[rows, columns].sum((1, 2)) / number[rows, columns].sum((1, 2))
        low, high = np.percentile(means, (2.5, 97.5))
        seen += not low <= 0 <= high
    return seen / DRAWS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="NAME_queries.csv of a sweep with several seeds")
    parser.add_argument("--row", default="full")
    parser.add_argument("--metric", default="mIoU")
    parser.add_argument("--videos", type=int, nargs="+", default=[160, 1067])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 3, 5])
    parser.add_argument("--differences", type=float, nargs="+", default=[0.0, 1.0, 2.0, 3.0])
    options = parser.parse_args()
    sums, counts = noise(pd.read_csv(options.table), options.row, options.metric)
    rows = [
        {"videos": videos, "seeds": seeds}
        | {f"{d:g} points": 100 * power(sums, counts, videos, seeds, d) for d in options.differences}
        for videos in options.videos
        for seeds in options.seeds
    ]
    print(f"{options.metric}, % of {DRAWS} draws whose 95 % interval excludes zero")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.0f}".format))


if __name__ == "__main__":
    main()
