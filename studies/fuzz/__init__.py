"""Fuzzing: what the world may send, changed in many ways, each tried in a process of its own."""
