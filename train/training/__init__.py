"""The training run: optimizer, callbacks, checkpoints, logs, several hosts."""
