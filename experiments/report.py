"""One HTML page of everything in reports/."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("report")
