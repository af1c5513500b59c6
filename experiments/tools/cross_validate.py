"""How good is a setting, without opening the test split: cross-validation over the training videos."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("cross-validate")
