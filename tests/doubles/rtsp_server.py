"""A network camera: `/usr/bin/python3 tests/doubles/rtsp_server.py` prints the port it chose.

Needs GStreamer's RTSP server (Debian: gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-rtsp and
the plugins base, good and ugly), which pip has not. Its picture is red; /h264 and /mjpeg differ in
the codec. Ends when stdin does, and so with the test that started it.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions come first

# JPEG's payload wants I420, or the server answers 503.
PICTURE = (
    "videotestsrc is-live=true pattern=red ! video/x-raw,format=I420,width=320,height=240,"
    "framerate=15/1"
)
STREAMS = {
    "/h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay",
    "/mjpeg": "jpegenc ! rtpjpegpay",
}


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    for path, stream in STREAMS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {PICTURE} ! {stream} name=pay0 )")
        factory.set_shared(True)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    print(server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
