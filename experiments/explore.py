"""Spikes of a trained model for the raster explorer of the report page."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("explore")
