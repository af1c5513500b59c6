"""Accuracy, firing rate and energy against the number of time steps."""

from snnvtg.cli.timestep_sweep import start

if __name__ == "__main__":
    start()
