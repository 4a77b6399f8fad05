"""The machine: the board's sensors, the processor, optional packages."""
