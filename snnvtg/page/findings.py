"""The answer in five sentences, each made of what the tables say; one without its table is left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from snnvtg.metrics.intervals import paired_comparison
from snnvtg.page.results import paired, results_of
from snnvtg.page.sources import Source
from snnvtg.page.tables import number_text
from snnvtg.sweeps.comparison import LEVEL, RESAMPLES, SweepResults, per_query

STEPS = "num_timesteps"
PRICES = "45nm_fp32"
METRICS = ("mIoU", "SumR", "MR-full-mAP")
"""the figure a comparison is drawn over: the first that the table has"""


@dataclass(frozen=True)
class Number:
    """A number with the source it is read from."""

    text: str
    source: Source


Sentence = list[str | Number]


def five_sentences(sources: Sequence[Source]) -> list[Sentence]:
    """The sentences whose tables are there; real data before synthetic."""
    ordered = sorted(sources, key=lambda source: (source.synthetic, "nine" in source.name, not _of_paper(source)))
    makers: list[tuple[str, Callable[[Source], Sentence | None]]] = [
        ("comparison", _front),
        ("sweep", _time_steps),
        ("sweep", _parts),
        ("energy", _twins),
        ("energy", _price_tables),
    ]
    found = []
    for kind, make in makers:
        said = (make(source) for source in ordered if source.kind == kind)
        found += [sentence for sentence in [next(filter(None, said), None)] if sentence]
    return found


def _of_paper(source: Source) -> bool:
    """Whether a paper has figures for the same table."""
    results = results_of(source) if source.kind == "sweep" else None
    return results is not None and results.published is not None


def _front(source: Source) -> Sentence | None:
    metric = next((name for name in METRICS if name in source.frame), None)
    measured = source.frame.dropna(subset=["energy_pj", "seed", metric]) if metric else source.frame.iloc[:0]
    if measured["model"].nunique() < 2:
        return None
    mean = measured.groupby("model")[[metric, "energy_pj"]].mean()
    best, least = mean[metric].idxmax(), mean["energy_pj"].idxmin()
    say = _speaker(source)
    many = [f"Of {len(mean)} models measured alike on {source.data}, {best} answers best (mean {metric} "]
    words: Sentence = [*many, say(mean.loc[best, metric], 1), ") at "]
    words += [say(mean.loc[best, "energy_pj"] / 1e6, 1), " µJ per query"]
    if best == least:
        return [*words, ", which is also the least energy of all."]
    cheap = [say(mean.loc[least, "energy_pj"] / 1e6, 1), " µJ, for ", say(mean.loc[least, metric], 1), "."]
    return [*words, f"; the cheapest, {least}, takes ", *cheap]


def _time_steps(source: Source) -> Sentence | None:
    results = results_of(source)
    if results is None or STEPS not in results.axes or not results.rows:
        return None
    metric = results.evaluation.compared[0]
    own = pd.concat([results.of(row) for row in results.rows])
    first, last = own[own[STEPS] == own[STEPS].min()], own[own[STEPS] == own[STEPS].max()]
    if first is last or own[STEPS].nunique() < 2:
        return None
    say = _speaker(source)
    words: Sentence = [f"On {source.data}, {metric} is ", say(first[metric].mean(), 1)]
    words += [
        f" at T = {first[STEPS].iloc[0]:g} and ",
        say(last[metric].mean(), 1),
        f" at T = {last[STEPS].iloc[0]:g}, ",
        *_gain(results, metric, list(dict.fromkeys(first["row"])), list(dict.fromkeys(last["row"])), say),
    ]
    spent = [say(rows["energy_pj"].mean() / 1e6, 1) for rows in (first, last)]
    return [*words, ", while energy goes from ", spent[0], " to ", spent[1], " µJ per query."]


def _gain(
    results: SweepResults, metric: str, first: Sequence[str], last: Sequence[str], say: Callable[..., Number]
) -> Sentence:
    """What the rows `last` are ahead of `first`, on average, as far as their queries and seeds say."""
    if results.seeds < 2:
        return ["from one seed, which says nothing about chance"]
    if not len(results.queries):
        return ["of which nobody kept what each query says"]
    if any(results.asked(row) != results.asked(first[0]) for row in (*first, *last)):
        return ["of other queries each"]
    sides = [[per_query(results, row, metric) for row in rows] for rows in (last, first)]
    if len({figures.shape for side in sides for _, figures in side}) != 1:
        return ["not all of them from the same seeds"]
    ours, theirs = (np.mean([figures for _, figures in side], axis=0) for side in sides)
    c = paired_comparison(ours, theirs, sides[0][0][0], level=LEVEL, resamples=RESAMPLES)
    found = [say(100 * value, 1, sign=True) for value in (c.difference, c.low, c.high)]
    between = [" points [", found[1], ", ", found[2], "] (95 %, paired over queries)"]
    return ["a difference of ", found[0], *between]


def _parts(source: Source) -> Sentence | None:
    results = results_of(source)
    if results is None or results.axes or not len(results.queries):
        return None
    found = paired(results)
    metric = results.evaluation.compared[0]
    found = found[found["metric"] == metric]
    if found.empty:
        return None
    say, clear = _speaker(source), found[found["differs"]]
    widest = found.loc[found["difference"].abs().idxmax()]
    words: Sentence = ["Of ", say(len(found), 0), f" changes to the model “{results.declaration['reference']}” on "]
    words += [f"{source.data}, ", say(len(clear), 0), f" {'shifts' if len(clear) == 1 else 'shift'} {metric} by more "]
    words += [f"than chance explains (95 % intervals, {results.seeds} seeds); the widest shift, “{widest['row']}”, is "]
    words += [say(widest["difference"], 1, sign=True), " points [", say(widest["low"], 1, sign=True), ", "]
    return [*words, say(widest["high"], 1, sign=True), "]."]


def _twins(source: Source) -> Sentence | None:
    models = _at_own(source)
    if models is None or PRICES not in models.index:
        return None
    line, say = models.loc[PRICES], _speaker(source)
    wins = [len(models[models["cheapest"] == who]) for who in ("spiking", "quantised twin")]
    return [
        f"At T = {line[STEPS]:g} the spiking network is estimated at ", say(line["spiking_pj"] / 1e6, 1),
        " µJ per query (45 nm, fp32), its dense twin at ", say(line["dense_twin_pj"] / 1e6, 1),
        " and a twin quantised to the same information at ", say(line["quantised_twin_pj"] / 1e6, 1),
        "; spiking is the cheapest of the three under ", say(wins[0], 0), f" of {len(models)} price tables, the "
        "quantised twin under ", say(wins[1], 0), ".",
    ]  # fmt: skip


def _price_tables(source: Source) -> Sentence | None:
    models = _at_own(source)
    if models is None or len(models) < 2:
        return None
    cost, say = models["spiking_pj"] / 1e6, _speaker(source)
    return [
        "The choice of price table weighs more than the choice of network: the same operations cost from ",
        say(cost.min(), 1), f" µJ ({models.loc[cost.idxmin(), 'title']}) to ", say(cost.max(), 0),
        f" µJ ({models.loc[cost.idxmax(), 'title']}), a factor of ", say(cost.max() / cost.min(), 0),
        "; none of these energies is a measurement.",
    ]  # fmt: skip


def _at_own(source: Source) -> pd.DataFrame | None:
    """The range table at the T the network was trained for, by cost model."""
    if source.path.stem != "models" or not {"cost_model", "spiking_pj", "cheapest"} <= {*source.frame}:
        return None
    frame = source.frame
    return frame[frame[STEPS] == own_steps(source)].set_index("cost_model")


def own_steps(source: Source) -> float:
    """The T of an energy report's network; where nobody says, the first it was read out at."""
    told = source.provenance
    own = told.get(STEPS) or told.get("config", {}).get("model", {}).get(STEPS)
    return own if own in set(source.frame[STEPS]) else source.frame[STEPS].iloc[0]


def _speaker(source: Source) -> Callable[..., Number]:
    def say(value: float, digits: int, *, sign: bool = False) -> Number:
        text = f"{value:{'+' if sign else ''},.{digits}f}" if digits else number_text(round(value))
        return Number(text.replace("-", "−"), source)

    return say
