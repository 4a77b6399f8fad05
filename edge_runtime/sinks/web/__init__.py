"""The web page of a run: standard library's server, one static page, JPEG by Pillow."""
