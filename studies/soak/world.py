"""Surroundings of a soak: a camera on the network, a broker, a listener, viewers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import paho.mqtt.client as mqtt

FPS = 15
HOLD = 5  # frames that a scene stands still


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_video(pictures: list[Path], target: Path) -> Path:
    """A video of the pictures, 640x480, each `HOLD` frames long."""
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (640, 480))
    for path in pictures:
        image = cv2.imread(str(path))
        if image is None:
            raise ValueError(f"a picture expected, got {path}")
        scene = cv2.resize(image, (640, 480))
        for _ in range(HOLD):
            writer.write(scene)
    writer.release()
    return target


class Camera:
    """The video, over and over, as an MJPEG stream: a network camera."""

    def __init__(self, video: Path) -> None:
        self._jpegs = _jpegs(video)
        self.port = free_port()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Frames at `FPS` until the reader goes away."""
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        start = time.monotonic()
        with suppress(OSError):
            for number in range(10**9):
                time.sleep(max(0.0, start + number / FPS - time.monotonic()))
                jpeg = self._jpegs[number % len(self._jpegs)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                request.wfile.write(head.encode() + jpeg + b"\r\n")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _jpegs(video: Path) -> list[bytes]:
    reader = cv2.VideoCapture(str(video))
    jpegs = []
    while True:
        whole, frame = reader.read()
        if not whole:
            break
        jpegs.append(cv2.imencode(".jpg", frame)[1].tobytes())
    reader.release()
    return jpegs


class Broker:
    """A real mosquitto that can be killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
            "autosave_on_changes true\n"
        )
        self._process: subprocess.Popen | None = None

    @staticmethod
    def program() -> str | None:
        """Debian has it where only root's PATH leads."""
        return shutil.which(
            "mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/sbin"
        )

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = self.program()
        if program is None:
            raise RuntimeError("mosquitto expected; sudo apt install mosquitto")
        self._process = subprocess.Popen(
            [program, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        raise RuntimeError("mosquitto did not start to listen within ten seconds")

    def kill(self) -> None:
        """End it without a goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Listener:
    """Notes what the broker delivers of that which is to arrive once at least."""

    def __init__(self, port: int, topics: tuple[str, ...]) -> None:
        self.count = 0
        self._seen: set[tuple[str, bytes]] = set()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="soak")
        # Not QoS 1: a killed broker would not take the acknowledgements, and what came with them
        # would be thrown away.
        self._client.on_connect = lambda client, *_: client.subscribe([(t, 0) for t in topics])
        self._client.on_message = self._note
        # Before the runtime is back, which tries after a second: a killed broker has forgotten us.
        self._client.reconnect_delay_set(0.05, 0.1)  # type: ignore[arg-type] # floats work, too
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @property
    def count_once(self) -> int:
        """Messages without those that came again."""
        return len(self._seen)

    def _note(self, client: object, data: object, message: mqtt.MQTTMessage) -> None:
        self.count += 1
        self._seen.add((message.topic, bytes(message.payload)))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Viewer:
    """A browser's part: reads the live stream; a slow one takes a sip each second, and now and
    then one goes away and comes back."""

    def __init__(self, url: str, slow: bool = False, stay: float = 1e9) -> None:
        self.bytes = 0
        self.visits = 0
        self._url, self._slow, self._stay = url, slow, stay
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._closed.is_set():
            with suppress(OSError), urllib.request.urlopen(self._url, timeout=10) as stream:
                self.visits += 1
                leave = time.monotonic() + self._stay
                while not self._closed.is_set() and time.monotonic() < leave:
                    part = stream.read(4096)
                    if not part:
                        break
                    self.bytes += len(part)
                    if self._slow:
                        self._closed.wait(1)
            self._closed.wait(0.5)

    def close(self) -> None:
        self._closed.set()
        self._thread.join(12)
