"""Adapters: one for each family of detector files, from frames to input and outputs to boxes."""
