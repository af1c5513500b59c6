"""Looking at a spiking model at work: firing rates as they stream by, rasters and intervals on demand."""

from snnvtg.instrumentation.membranes import Membranes, Trace
from snnvtg.instrumentation.rasters import Rasters, inter_spike_intervals, membrane_updates
from snnvtg.instrumentation.rates import FiringRates, LayerRates

__all__ = ["FiringRates", "LayerRates", "Membranes", "Rasters", "Trace", "inter_spike_intervals", "membrane_updates"]
