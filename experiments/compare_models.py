"""Every model on the same data, splits, seeds, figures and ledger: one table, one figure."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("compare-models")
