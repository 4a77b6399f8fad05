"""Experiments and what came of them: a folder each, with its script, JSON and plots."""
