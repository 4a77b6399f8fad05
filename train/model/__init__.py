"""The SSD network: backbone, heads, presets, losses."""
