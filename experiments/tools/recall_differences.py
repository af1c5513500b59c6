"""How exact the windows are that one setting finds and another does not: differences of mIoU, and of R1@t at every t.

    python experiments/tools/recall_differences.py --tables reports/over_folds_charades_sta/parts_three_seeds.csv
    python experiments/tools/recall_differences.py --tables A.csv B.csv --reference full   # rows of both

Reads each query's figures of finished sweeps (NAME_queries.csv); the reference is a row of the first table. Prints the
table; --out writes it as CSV, with a JSON of where it is from and a figure.
"""

from dataclasses import dataclass
from pathlib import Path

from snnvtg.cli.command import CommandOptions, run
from snnvtg.errors import InputError


@dataclass(frozen=True)
class Options(CommandOptions):
    """Compare recall at every threshold."""

    tables: tuple[Path, ...]
    """NAME.csv of sweeps over the same queries"""
    reference: str | None = None
    """row of the first table that the others are compared with; none: as its sweep declares"""
    rows: tuple[str, ...] = ()
    """of all tables; none: all of them"""
    out: Path | None = None
    """CSV"""


def main(options: Options) -> None:
    """Compare, print, write."""
    from snnvtg.plots.recall import recall_figure
    from snnvtg.reporting import provenance, save_both, write_csv, write_json
    from snnvtg.sweeps.recall import recall_differences, same_queries

    if not options.tables:
        raise InputError("--tables: name at least one table of a finished sweep")
    tables = same_queries(options.tables, options.reference)
    found = recall_differences(tables)
    unknown = set(options.rows) - set(found["row"])
    if unknown:
        raise InputError(f"--rows: no row {min(unknown)!r}; expected some of {', '.join(found['row'].unique())}")
    if options.rows:
        found = found[found["row"].isin(options.rows)]
    print(found.drop(columns="threshold").to_string(index=False, float_format="{:.2f}".format))
    if options.out:
        told = [
            {"table": path.name, "commit": table.provenance.get("commit")}
            for path, table in zip(options.tables, tables, strict=True)
        ]
        reference = tables[0].declaration["reference"]
        write_csv(found, options.out)
        write_json(provenance(tables=told, reference=reference), options.out.with_suffix(".json"))
        title = "How exact the windows are" + tables[0].title[tables[0].title.rindex(" (") :]
        save_both(recall_figure(found, reference, title), options.out.with_suffix(".png"))


if __name__ == "__main__":
    run(Options, main, __doc__)
