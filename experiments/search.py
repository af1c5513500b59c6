"""Ask an archive in words: which video, and where in it."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("search")
