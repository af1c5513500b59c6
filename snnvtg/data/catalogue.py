"""Where the field's public files are, what they weigh and under which licence, and which a program cannot fetch."""

from dataclasses import dataclass

from snnvtg.errors import InputError

QVHIGHLIGHTS = "https://raw.githubusercontent.com/jayleicn/moment_detr/main/data/"
BY_NC_SA = "CC BY-NC-SA 4.0"


@dataclass(frozen=True)
class Entry:
    """One public file; without `url` it has to be fetched by hand from `page`."""

    page: str
    licence: str
    url: str | None = None
    size: int | None = None
    """bytes; None where unknown"""
    sha256: str | None = None
    note: str = ""


def _by_hand(page: str, note: str, licence: str = "none stated") -> Entry:
    return Entry(page, licence, note=note)


DRIVE = "on Google Drive, which asks for a click in a browser"
CATALOGUE = {
    "qvhighlights-train": Entry(
        "https://github.com/jayleicn/moment_detr",
        BY_NC_SA,
        QVHIGHLIGHTS + "highlight_train_release.jsonl",
        note="no checksum is known for it",
    ),
    "qvhighlights-val": Entry(
        "https://github.com/jayleicn/moment_detr",
        BY_NC_SA,
        QVHIGHLIGHTS + "highlight_val_release.jsonl",
        821101,
        "f668a1eaea156ec5315e14718999cea043a8cf948d3cafbd8e8d655318c3cd02",
    ),
    "qvhighlights-test": Entry(
        "https://github.com/jayleicn/moment_detr",
        BY_NC_SA,
        QVHIGHLIGHTS + "highlight_test_release.jsonl",
        204566,
        "0462f0cb582b54913671ba5ebfc325931ffa6d422c60cb72520749fc6d5d05a3",
        "queries without answers",
    ),
    "moment-detr-features": _by_hand(
        "https://github.com/jayleicn/moment_detr", f"8 GB, {DRIVE}; extract in the repository (layout moment_detr)"
    ),
    "lighthouse-features": _by_hand(
        "https://github.com/line/lighthouse", f"all six data sets, {DRIVE}; extract under features/ (layout lighthouse)"
    ),
    "univtg-features": _by_hand(
        "https://github.com/showlab/UniVTG/blob/main/install.md", f"{DRIVE}; extract under data/ (layout univtg)"
    ),
    "r2-tuning-features": _by_hand(
        "https://github.com/yeliudev/R2-Tuning",
        "see the page; reduce them with experiments/tools/convert_r2.py",
    ),
}


def entry(name: str) -> Entry:
    """The entry called `name`; InputError lists the names, or says how to get a file that has to be fetched by hand."""
    if name not in CATALOGUE:
        raise InputError(f"unknown download {name!r}; expected one of {', '.join(CATALOGUE)}")
    found = CATALOGUE[name]
    if found.url is None:
        raise InputError(f"{name} cannot be fetched automatically ({found.note}); get it from {found.page}")
    return found
