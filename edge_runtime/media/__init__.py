"""Images and files: reading, drawing, atomic writing."""
