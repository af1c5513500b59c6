"""Where a number comes from: the command, commit, data, date and machine of the table it stands in."""

from dataclasses import dataclass

from snnvtg.page.sources import Source


@dataclass(frozen=True)
class Origin:
    """What the provenance beside a table says; lines that it does not say are absent."""

    label: str
    number: int
    lines: tuple[tuple[str, str], ...]


def origin(source: Source, number: int) -> Origin:
    """The origin of a source, the `number`-th of the page."""
    told = source.provenance
    machine = [str(told.get("device") or ""), f"{told['threads']} threads" if told.get("threads") else ""]
    versions = told.get("packages", {})
    said = {
        "table": source.name,
        "command": told.get("command", ""),
        "commit": told.get("commit", ""),
        "date": str(told.get("time", "")).replace("T", " ").replace("+00:00", " UTC"),
        "data": _data(source),
        "machine": ", ".join(filter(None, machine)),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "note": str(told.get("migrated", "") or told.get("quotable", "") or ""),
    }
    if not told:
        said["note"] = "no provenance lies beside this table"
    return Origin(source.label, number, tuple((name, str(words)) for name, words in said.items() if words))


def _data(source: Source) -> str:
    told = source.provenance
    checksum = told.get("data_checksum") or told.get("checksum")
    parts = [source.data or "not said", f"checksum {checksum}" if checksum else ""]
    parts += [f"{told['queries']} queries" if isinstance(told.get("queries"), int) else ""]
    parts += ["synthetic: no camera has seen it" if source.data == "synthetic" else ""]
    return ", ".join(part for part in parts if part)
