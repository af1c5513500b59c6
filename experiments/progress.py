"""How far a sweep is that runs elsewhere: its running, finished and failed models, and the time that is left."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("progress")
