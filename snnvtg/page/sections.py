"""The page's sections: which tables and figures stand under which heading, and what is said before them."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from snnvtg.page.drawings import Drawing
from snnvtg.page.failures import failure_rows, missed_queries
from snnvtg.page.results import paired, results_of
from snnvtg.page.sources import Source
from snnvtg.page.tables import Table, number_text, raw_table, text_table
from snnvtg.sweeps.comparison import SweepResults
from snnvtg.sweeps.report import CONTROLS_IN_WORDS, caption, cell_table, control_table, verdict

ENERGY_CAPTIONS = {
    "models": "Every price table: µJ per query of the network, of it in silence and of its twins",
    "modules": "Where it goes, by part of the network",
    "layers": "Layer by layer",
    "operations": "Operation by operation",
    "rates": "Firing rates",
    "accuracy": "Accuracy at each T (percent)",
    "controls": "Accuracy where something is withheld (percent)",
}


@dataclass(frozen=True)
class Part:
    """A figure or a table."""

    drawing: Drawing | None = None
    table: Table | None = None


@dataclass(frozen=True)
class Section:
    """A heading with its parts; `words` say what to look for."""

    label: str
    title: str
    words: str
    parts: tuple[Part, ...]


def sections(sources: Sequence[Source], drawn: Sequence[Drawing]) -> list[Section]:
    """Every section that has a part; a table is in one of them."""
    ordered = sorted(sources, key=_rank)
    results = {s.name: results_of(s) for s in ordered if s.kind == "sweep"}
    known = {name: found for name, found in results.items() if found is not None and found.rows}
    swept = [s for s in ordered if s.name in known and known[s.name].axes]
    parted = [s for s in ordered if s.name in known and not known[s.name].axes]
    made = [
        _section("front", *FRONT, [p for s in ordered if s.kind == "comparison" for p in _comparison(s, drawn)]),
        _section("sweep", *SWEEP, [p for s in swept for p in _sweep(s, known[s.name], drawn)]),
        _section("ablation", *ABLATION, [p for s in parted for p in _sweep(s, known[s.name], drawn)]),
        _section("energy", *ENERGY, _energy(ordered, drawn)),
        _section("benchmarks", *BENCHMARKS, [p for s in ordered if s.kind == "benchmark" for p in _plain(s, drawn)]),
        _section("controls", *CONTROLS, [p for s in ordered if s.name in known for p in _controls(s, known[s.name])]),
        _section("failures", *FAILURES, _failures(ordered, known)),
        _section("more", *MORE, [p for s in ordered if _left(s, known) for p in _plain(s, drawn)]),
    ]
    return [section for section in made if section.parts]


def _rank(source: Source) -> tuple:
    """Real data before synthetic, and the sweep over T before the others; what is a smoke test in size comes last."""
    return source.synthetic, "nine" in source.name, not source.path.stem.startswith("timestep"), source.name


FRONT = ("Accuracy against energy", "Every model a point, measured alike: up is better, left is cheaper.")
SWEEP = (
    "Time steps and other grids",
    "What a spiking network is said to buy with more simulation steps T, and what each step costs.",
)
ABLATION = (
    "What each part earns",
    "One change at a time against a reference: differences in percentage points, paired over queries, with 95 % "
    "intervals. An interval that holds 0 tells the two apart by nothing.",
)
ENERGY = (
    "Where the energy goes",
    "Estimates from counted operations under published price tables; none is a measurement. The dense twin is the same "
    "network with ordinary arithmetic, the quantised twin has as many bits as T steps of spikes can say.",
)
BENCHMARKS = (
    "How fast it runs",
    "Measured times on the machine named in each origin; inputs are random numbers unless a table says otherwise.",
)
CONTROLS = ("Controls", CONTROLS_IN_WORDS)
FAILURES = ("Failures", "Rows without figures, and queries that are answered wrongly or by no model.")
MORE = ("Other tables", "What lies in the reports beside all this.")


def _section(label: str, title: str, words: str, parts: Sequence[Part]) -> Section:
    return Section(label, title, words, tuple(parts))


def _figures(source: Source, drawn: Sequence[Drawing]) -> list[Part]:
    return [Part(drawing=drawing) for drawing in drawn if drawing.source is source]


def _sweep(source: Source, results: SweepResults, drawn: Sequence[Drawing]) -> list[Part]:
    found = paired(results)
    notes = [*caption(results, found), *results.declaration.get("notes", [])]
    if results.declaration["reference"] and len(found):
        notes = [*verdict(results, found).splitlines(), *notes]
    table = text_table(source.label, results.title, source, cell_table(results, found), notes)
    parts = [*_figures(source, drawn), Part(table=table)]
    seeds = raw_table(f"{source.label}-seeds", "Every seed and control", source, source.frame)
    return [*parts, Part(table=seeds)]


def _comparison(source: Source, drawn: Sequence[Drawing]) -> list[Part]:
    frame = source.frame
    numbers = [name for name in frame.select_dtypes("number") if name != "seed"]
    grouped = frame.groupby("model", sort=False)
    cells = grouped[numbers].agg(_spread).reset_index()
    cells.insert(1, "seeds", [str(n or "–") for n in grouped["seed"].nunique()] if "seed" in frame else "–")
    renamed = {name: name.removesuffix("_pj") + " (µJ)" for name in numbers if name.endswith("_pj")}
    notes = ["Mean ± standard deviation over seeds; energy an estimate for 45 nm fp32 arithmetic, not a measurement."]
    words = f"Models on {source.data} data"
    table = text_table(source.label, words, source, cells.rename(columns=renamed), notes)
    return [
        *_figures(source, drawn),
        Part(table=table),
        Part(table=raw_table(f"{source.label}-seeds", "Every seed", source, frame)),
    ]


def _spread(values: pd.Series) -> str:
    values = values.dropna() / (1e6 if str(values.name).endswith("_pj") else 1)
    if values.empty:
        return "–"
    if len(values) == 1 or values.nunique() == 1:
        return number_text(values.iloc[0])
    mean, spread = values.mean(), values.std()
    return f"{mean:,.1f} ± {spread:.1f}" if mean < 1000 else f"{mean:,.0f} ± {spread:,.0f}"


def _energy(ordered: Sequence[Source], drawn: Sequence[Drawing]) -> list[Part]:
    parts = []
    for source in sorted((s for s in ordered if s.kind == "energy"), key=_place):
        words = ENERGY_CAPTIONS.get(source.path.stem, source.name)
        parts += _figures(source, drawn)
        folded = source.path.stem not in ("models", "accuracy", "controls")
        parts.append(Part(table=raw_table(source.label, words, source, source.frame, folded=folded)))
    return parts


def _place(source: Source) -> tuple[str, int]:
    order = list(ENERGY_CAPTIONS)
    stem = source.path.stem
    return source.path.parent.name, order.index(stem) if stem in order else len(order)


def _plain(source: Source, drawn: Sequence[Drawing]) -> list[Part]:
    words = source.path.stem.replace("_", " ").capitalize()
    return [*_figures(source, drawn), Part(table=raw_table(source.label, words, source, source.frame))]


def _left(source: Source, known: dict) -> bool:
    return source.kind == "table" or (source.kind == "sweep" and source.name not in known)


def _controls(source: Source, results: SweepResults) -> list[Part]:
    if not results.controls:
        return []
    return [Part(table=text_table(f"{source.label}-controls", results.title, source, control_table(results)))]


def _failures(ordered: Sequence[Source], known: dict[str, SweepResults]) -> list[Part]:
    parts = []
    for source in ordered:
        rows = failure_rows(source, known.get(source.name))
        if len(rows):
            words = f"Without figures in {source.name}"
            parts.append(Part(table=text_table(f"{source.label}-failures", words, source, rows)))
    for source in ordered:
        if source.name in known and len(known[source.name].queries):
            table = missed_queries(known[source.name])
            if len(table):
                words = f"How often queries are missed: {known[source.name].title}"
                parts.append(Part(table=text_table(f"{source.label}-missed", words, source, table)))
    return parts
