"""Figures from tables and tensors; nothing is computed here but what is drawn."""
