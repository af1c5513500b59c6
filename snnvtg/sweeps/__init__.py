"""Sweeps: declarations of models to train, measured and written to tables that survive an interrupt."""
