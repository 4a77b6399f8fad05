"""The sink `mqtt`: connection to the broker, outbox on disk, Home Assistant's discovery."""
