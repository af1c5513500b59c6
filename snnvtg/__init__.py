"""snnvtg: what spiking buys, and what it costs, in video temporal grounding."""

__version__ = "0.1.0"
