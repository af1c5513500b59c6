"""Put videos into a store that is searched in words."""

from snnvtg.cli.index import start

if __name__ == "__main__":
    start()
