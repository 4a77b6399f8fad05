"""Hours of the whole runtime on one machine, with accidents: `make soak`."""
