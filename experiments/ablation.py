"""Which part of a model earns its keep, and at what energy: declared sweeps, trained, measured and compared."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("ablation")
