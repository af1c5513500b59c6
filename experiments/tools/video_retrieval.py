"""Which video holds the moment? Scores every query of a split against every video of it (PRVR)."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("video-retrieval")
