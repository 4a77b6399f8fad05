"""Pictures of SSD's stages for docs/ssd.md, made from the running code."""
