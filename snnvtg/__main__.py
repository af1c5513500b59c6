"""`python -m snnvtg`: the commands of the toolkit, also from an installed wheel."""

import sys

from snnvtg.cli import COMMANDS, start


def main() -> None:
    """Start the command named first, or list the commands."""
    name, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    name = name.replace("_", "-")
    if name in COMMANDS:
        sys.argv = [f"snnvtg {name}", *rest]
        start(name)
        return
    lines = [f"  {command:16} {words}" for command, words in COMMANDS.items()]
    text = "\n".join(["snnvtg COMMAND [OPTIONS]; `snnvtg COMMAND --help` says more", "", *lines])
    if name in ("--help", "-h"):
        print(text)
        return
    print(f"error: no command {name!r}; known: {', '.join(COMMANDS)}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
