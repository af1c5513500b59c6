"""Score a submission file, any tool's, with the figures of the official evaluator."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("evaluate")
