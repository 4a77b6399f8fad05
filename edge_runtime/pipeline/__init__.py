"""The run: source → detector → sinks, its threads and its statistics."""
