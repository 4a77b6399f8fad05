"""Network cameras over HTTP: MJPEG streams, and cameras that give a picture a request."""
