"""Web sink: a page with the live image, detections, health and metrics of the run."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_runtime.arguments import local_path, positive_number
from edge_runtime.frame import Result
from edge_runtime.sinks.base import Context, Sink
from edge_runtime.sinks.flags import SinkFlags
from edge_runtime.sinks.web.address import Address, is_loopback, listening_url, parse_address

if TYPE_CHECKING:  # loaded with the flag only, which leaves other commands quick to start
    from edge_runtime.sinks.web.mjpeg import MjpegStream
    from edge_runtime.sinks.web.server import WebServer

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1:8080"
VIEW_FPS = 15.0  # smooth to the eye; drawing and encoding more would take time from the detector


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --web and what belongs to it."""
    group = parser.add_argument_group("web page")
    group.add_argument(
        "--web",
        nargs="?",
        const=LOOPBACK,
        type=_address,
        metavar="HOST:PORT",
        help="serve a live page there (default: this computer only, %(const)s); 0.0.0.0:8080 for "
        "all networks, which needs a token",
    )
    group.add_argument(
        "--web-token-file",
        metavar="FILE",
        type=local_path,
        help="whoever wants to see the page must know what stands in it (or in the environment's "
        "EDGE_RUNTIME_WEB_TOKEN)",
    )
    group.add_argument(
        "--web-fps",
        type=positive_number,
        default=VIEW_FPS,
        metavar="F",
        help="pictures a second that viewers get at most; the detector is not held back "
        "(default: %(default)g)",
    )
    group.add_argument(
        "--web-frame-origin",
        action="append",
        type=_origin,
        metavar="ORIGIN",
        help="whose pages may show the page in a frame, a dashboard's such as "
        "http://homeassistant.local:8123; may be given several times (default: nobody's)",
    )


def create(args: argparse.Namespace) -> Sink:
    """The sink that the flags ask for. Raises: OSError, ValueError for a token that does not do."""
    from edge_runtime.sinks.web.auth import read_token

    token = read_token(args.web_token_file)
    return WebSink(args.web, token, args.web_fps, args.web_frame_origin or ())


FLAGS = SinkFlags("--web", add_arguments, create, reads=("--web-token-file",))


class WebSink(Sink):
    """Serves the newest result.

    Attributes:
        mjpeg: the live stream.
        url: of the page, once it is open.
    """

    name = "web"
    needs_image = True
    newest_only = True

    mjpeg: MjpegStream
    url: str

    def __init__(
        self,
        address: Address,
        token: str | None,
        max_fps: float = VIEW_FPS,
        frame_origins: Sequence[str] = (),
    ) -> None:
        """token: what viewers must know; None for none, on loopback only. max_fps: frames a second
        that viewers get at most. frame_origins: of pages that may show it in a frame."""
        from edge_runtime.sinks.web.mjpeg import MjpegStream

        self._address = address
        self._token = token
        self._frame_origins = frame_origins
        self._server: WebServer | None = None
        self.mjpeg = MjpegStream(max_fps)

    def open(self, context: Context) -> None:
        """Listen. Raises: OSError; ValueError for other than loopback without a token."""
        from edge_runtime.sinks.web.auth import ENVIRONMENT, MAKE_TOKEN, Auth
        from edge_runtime.sinks.web.handler import Handler
        from edge_runtime.sinks.web.security_headers import security_headers
        from edge_runtime.sinks.web.server import Site, WebServer

        server = WebServer(self._address, Handler)
        if self._token is None and not is_loopback(server.host):
            server.server_close()
            raise ValueError(
                f"a page that other computers can open ({self._address}) needs a token: "
                f"{MAKE_TOKEN} (or set {ENVIRONMENT})"
            )
        auth = Auth(self._token, self._address.host, server.port, bool(self._frame_origins))
        headers = security_headers(self._frame_origins)
        server.start(Site(context, self.mjpeg, auth, headers))
        self._server = server
        self.url = listening_url(self._address, server.port)
        hint = "" if is_loopback(server.host) else "; a phone may want NAME.local or its number"
        log.warning("the web page is at %s%s", self.url, hint)

    def write(self, result: Result) -> None:
        self.mjpeg.put(result)

    def close(self) -> None:
        self.mjpeg.close()
        if self._server is not None:
            self._server.close()


def _origin(text: str) -> str:
    from edge_runtime.sinks.web.security_headers import parse_origin

    try:
        return parse_origin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; MODEL comes before --web") from error
