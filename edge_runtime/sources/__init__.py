"""Sources of frames: cameras, streams, video files, folders of pictures.

A source is a context manager and an iterator of `Frame`; entering it opens the camera or file.
"""
