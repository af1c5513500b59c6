"""Accuracy, firing rate and energy against the number of time steps."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("timestep-sweep")
