"""The sub-commands of `edge-runtime`, one module each."""
