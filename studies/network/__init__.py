"""The network of the shipped detector, and what could stand in its place."""
