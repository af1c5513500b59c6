"""What a trained model costs under every published convention, beside its dense and its quantised twin."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("energy-report")
