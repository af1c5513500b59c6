"""What a sweep will cost, before it is run: rows, models, hours, memory, disk; afterwards, how right that was."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("plan")
