"""Train one model and measure it."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("train")
