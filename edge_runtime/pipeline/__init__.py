"""Pipeline of a run: source → detector → sinks, its threads and its statistics."""
