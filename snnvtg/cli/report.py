"""One HTML page of everything in reports/: open it from disk, send it to a colleague.

    python experiments/report.py --out page.html
    python experiments/report.py --reports my_reports/ --out page.html
    python experiments/report.py --redraw          # every figure again from its table, PNG and SVG; nothing is trained

The page needs no network and no server. Every number says where it comes from: its command, commit, data and date are
one click away. The same files give the same page, byte for byte. Half a minute.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from snnvtg.cli.command import CommandOptions, run
from snnvtg.files import check_writable


@dataclass(frozen=True)
class Options(CommandOptions):
    """Build the page, or draw the figures again."""

    reads: ClassVar[dict[str, str]] = {"reports": "no such folder; expected tables of the experiments in it"}

    reports: Path = Path("reports")
    """folder of the tables, with the JSON of each beside it"""
    out: Path = Path("page.html")
    redraw: bool = False
    """instead of a page: every figure of the folder from its table, as PNG and SVG beside it"""


def main(options: Options) -> None:
    """Build or draw."""
    if options.redraw:
        redraw(options.reports)
        return
    check_writable(options.out)
    from snnvtg.page.build import page
    from snnvtg.reporting import write_text

    text = page(options.reports)
    write_text(text, options.out)
    print(f"wrote {options.out}, {len(text.encode()) / 1e6:.2f} MB")


def redraw(folder: Path) -> None:
    """Every figure that the tables of `folder` allow, beside its table."""
    from snnvtg.page.drawings import drawings
    from snnvtg.page.recordings import recorded_figures
    from snnvtg.page.sources import read_sources
    from snnvtg.reporting import save_both

    drawn = ((drawing.name, drawing.figure) for drawing in drawings(read_sources(folder)))
    for name, figure in itertools.chain(drawn, recorded_figures(folder)):
        save_both(figure, folder / f"{name}.png")
        print(f"drew {folder / name}.png and .svg")


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
