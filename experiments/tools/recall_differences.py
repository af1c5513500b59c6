"""How exact the windows are that one setting finds and another does not: differences of mIoU, and of R1@t at every t.

    python experiments/tools/recall_differences.py --tables reports/over_folds_charades_sta/parts_three_seeds.csv
    python experiments/tools/recall_differences.py --tables A.csv B.csv --reference full   # rows of both

Reads each query's figures of finished sweeps (NAME_queries.csv); the reference is a row of the first table. Prints the
table; --out writes it as CSV, with a JSON of where it is from and a figure.
"""

from dataclasses import dataclass
from pathlib import Path

from snnvtg.cli.command import CommandOptions, run
from snnvtg.cli.options import require_csv
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

    def check(self) -> None:
        """As CommandOptions; InputError for no table, and for an --out that is no CSV or a table itself."""
        super().check()
        if not self.tables:
            raise InputError("--tables: name at least one table of a finished sweep")
        if self.out is not None:
            require_csv(self.out)
            if self.out.resolve() in {path.resolve() for path in self.tables}:
                raise InputError(f"--out: {self.out} is one of the --tables; name another file")


def main(options: Options) -> None:
    """Compare, print, write."""
    from snnvtg.files import check_writable
    from snnvtg.plots.recall import recall_figure
    from snnvtg.reporting import provenance, save_both, write_csv, write_json
    from snnvtg.sweeps.recall import recall_differences, tables_of_moments

    if options.out:
        check_writable(options.out)
    tables = tables_of_moments(options.tables, options.reference)
    reference = tables[0].declaration["reference"]
    found = recall_differences(tables, rows=options.rows)
    print(f"differences from {reference}, in points")
    print(found.drop(columns="threshold").to_string(index=False, float_format="{:.2f}".format))
    if options.out:
        told = [
            {"table": path.name, "commit": table.provenance.get("commit")}
            for path, table in zip(options.tables, tables, strict=True)
        ]
        title = "How exact the windows are" + tables[0].title[tables[0].title.rindex(" (") :]
        details = provenance(tables=told, data=tables[0].table["data"].iloc[0], reference=reference, title=title)
        write_csv(found, options.out)
        write_json(details, options.out.with_suffix(".json"))
        save_both(recall_figure(found, reference, title), options.out.with_suffix(".png"))


if __name__ == "__main__":
    run(Options, main, __doc__)
