"""Fetch public annotations, resumed after a cut and checked.

    python experiments/tools/download.py                                  # what there is, what it weighs, its licence
    python experiments/tools/download.py --name qvhighlights-val --out data/qvhighlights

Feature archives lie on Google Drive and have to be fetched by hand; the list says from where.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
from tqdm import tqdm

from snnvtg.claims import claimed
from snnvtg.cli.command import CommandOptions, run
from snnvtg.data.catalogue import CATALOGUE, entry
from snnvtg.data.downloads import fetch
from snnvtg.terminal import table_text


@dataclass(frozen=True)
class Options(CommandOptions):
    """Fetch public files."""

    name: str | None = None
    """what to fetch; none: list what there is"""
    out: Path = Path("data")
    """folder the file goes to"""

    def kept(self) -> str:
        """As CommandOptions: the files that are finished."""
        return f"what is finished is in {self.out}; the same command goes on"


def main(options: Options) -> None:
    """List or fetch."""
    if options.name is None:
        rows = [
            (name, "by hand" if e.url is None else "yes", e.size or "", e.licence, e.page, e.note)
            for name, e in CATALOGUE.items()
        ]
        columns = ["name", "automatic", "bytes", "licence", "page", "note"]
        print(table_text(pd.DataFrame(rows, columns=columns)))
        return
    found = entry(options.name)
    print(f"{options.name}: {found.size or 'unknown'} bytes, licence {found.licence} ({found.page}) {found.note}")
    target = options.out / Path(urlsplit(found.url).path).name
    with claimed(target), tqdm(total=found.size, unit="B", unit_scale=True, delay=0.5) as bar:
        fetch(
            found.url, target, size=found.size, sha256=found.sha256, progress=lambda done, _: bar.update(done - bar.n)
        )
    print(f"wrote {target}")


if __name__ == "__main__":
    run(Options, main, __doc__)
