"""Spread over seeds: mean and standard deviation of several trainings."""
