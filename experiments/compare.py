"""Compare two models, several seeds each, on the same queries: paired differences with intervals."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("compare")
