"""Put videos into a store that is searched in words."""

from snnvtg.cli import start

if __name__ == "__main__":
    start("index")
