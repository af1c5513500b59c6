"""Train one model and measure it."""

from snnvtg.cli.train import start

if __name__ == "__main__":
    start()
