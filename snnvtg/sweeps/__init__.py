"""Studies: grids of trained models, measured and written to tables that survive an interrupt."""
