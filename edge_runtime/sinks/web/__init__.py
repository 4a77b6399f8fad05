"""Web page of a run: the standard library's server, one static page, JPEG by Pillow."""
