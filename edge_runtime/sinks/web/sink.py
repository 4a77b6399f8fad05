"""The run as a web page: live picture, detections, health, metrics."""

from __future__ import annotations

import argparse
import logging

from edge_runtime.arguments import positive_number
from edge_runtime.frame import Result
from edge_runtime.sinks.base import Context, Sink
from edge_runtime.sinks.web.address import Address, is_loopback, listening_url, parse_address

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1:8080"
VIEW_FPS = 15.0  # smooth to the eye; drawing and encoding more would take time from the detector


def add_arguments(parser) -> None:
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


def create(args, context: Context) -> Sink | None:
    """The sink that the flags ask for. Raises: OSError, ValueError for a token that does not do."""
    if args.web is None:
        return None
    from edge_runtime.sinks.web.auth import read_token

    return WebPage(context, args.web, read_token(args.web_token_file), args.web_fps)


class WebPage(Sink):
    """Serves the newest result."""

    name = "web"
    needs_image = True
    newest_only = True

    def __init__(
        self, context: Context, address: Address, token: str | None, max_fps: float = VIEW_FPS
    ) -> None:
        """token: what viewers must know; None for none, on loopback only."""
        from edge_runtime.sinks.web.mjpeg import Broadcast

        self._context = context
        self._address = address
        self._token = token
        self._server = None
        self.broadcast = Broadcast(max_fps)

    def open(self) -> None:
        """Listen. Raises: OSError; ValueError for other than loopback without a token."""
        from edge_runtime.sinks.web.auth import ENVIRONMENT, MAKE_TOKEN, Auth
        from edge_runtime.sinks.web.server import Site, WebServer

        server = WebServer(self._address)
        host, port = server.server_address[:2]
        if self._token is None and not is_loopback(host):
            server.server_close()
            raise ValueError(
                f"a page that other computers can open ({self._address}) needs a token: "
                f"{MAKE_TOKEN} (or set {ENVIRONMENT})"
            )
        auth = Auth(self._token, self._address.host, port)
        server.site = Site(self._context, self.broadcast, auth)
        server.start()
        self._server = server
        self.url = listening_url(self._address, port)
        elsewhere = "" if is_loopback(host) else "; a phone may want NAME.local or its number"
        log.warning("the web page is at %s%s", self.url, elsewhere)

    def write(self, result: Result) -> None:
        self.broadcast.put(result)

    def close(self) -> None:
        self.broadcast.close()
        if self._server is not None:
            self._server.close()


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; MODEL comes before --web") from error
