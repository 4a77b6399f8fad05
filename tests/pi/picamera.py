"""The real picamera2, on libcamera's virtual camera."""
TITLE = "picamera2 on libcamera's virtual camera"
