"""Write a trained model's answers to a split as a submission file."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("predict")
