"""Ask a trained model for a moment in words."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("ground")
