"""What the sink `mqtt` is made of: the link to the broker, the outbox on disk, Home Assistant."""
