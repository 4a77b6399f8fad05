"""MQTT broker settings: address, login, certificates."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge_runtime.sinks.mqtt.tls_errors import NO_TLS
from edge_runtime.sources.address import AROUND, public_source
from edge_runtime.system.paths import read_secret, told_of_pipe

PORTS = {"mqtt": 1883, "mqtts": 8883}
USER = "EDGE_RUNTIME_MQTT_USER"
PASSWORD = "EDGE_RUNTIME_MQTT_PASSWORD"
_SECRETS = (
    f"the list of processes shows it to everybody; use the environment's {USER} and {PASSWORD}, or "
    "--mqtt-password-file"
)


@dataclass(frozen=True)
class Broker:
    """An address.

    Attributes:
        host: name or IP address.
        port: of TCP.
        tls: whether the connection is encrypted and the broker's certificate checked.
    """

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_broker(text: str) -> Broker:
    """mqtt://HOST[:PORT], or mqtts:// for TLS.

    Raises: ValueError for anything else, and for a user or password in it, which is not repeated.
    """
    if "@" in text:
        raise ValueError(f"--mqtt takes no user or password: {_SECRETS}")
    text = text.strip(AROUND)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        shown = public_source(text)
        raise ValueError(f"--mqtt: mqtt://HOST[:PORT] expected, got {shown!r}") from error
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in PORTS or not host or port == 0 or rest:
        raise ValueError(
            "--mqtt: mqtt://HOST[:PORT] expected, or mqtts:// for TLS, got "
            f"{public_source(text)!r}; topics are named with --mqtt-name"
        )
    return Broker(host, port or PORTS[parts.scheme], parts.scheme == "mqtts")


@dataclass(frozen=True)
class Login:
    """A user and a password, or None of either. Never printed."""

    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return "Login(…)"


def read_login(file: str | Path | None, environment: Mapping[str, str] = os.environ) -> Login:
    """From a file with the line user:password, else from the environment.

    Raises: OSError; ValueError for another content, a file that all may read, or a password alone.
    """
    if file is None:
        user, password = environment.get(USER), environment.get(PASSWORD)
        if password and not user:
            raise ValueError(f"{PASSWORD} is set, but not {USER}; MQTT knows no password alone")
        return Login(user or None, password or None)
    path = Path(file)
    if os.name == "posix" and path.stat().st_mode & 0o007:
        raise ValueError(f"{path} is open to every user of this machine: chmod 600 {path}")
    lines = read_secret(path).splitlines()
    user, colon, password = lines[0].partition(":") if len(lines) == 1 else ("", "", "")
    if not user or not colon:
        raise ValueError(f"{path}: one line user:password expected, got something else")
    return Login(user, password or None)


def make_tls(
    broker: Broker, ca: str | None = None, certificate: str | None = None, key: str | None = None
) -> ssl.SSLContext | None:
    """TLS settings, None for a broker without.

    Args:
        ca: file of the authorities to believe, the system's where None.
        certificate: our own, where the broker wants one; PEM.
        key: of `certificate`, where it is in another file.

    Raises: OSError or ValueError, naming the file.
    """
    if not broker.tls:
        if ca or certificate or key:
            raise ValueError("certificates need TLS: write mqtts:// instead of mqtt://")
        return None
    if key and not certificate:
        raise ValueError("--mqtt-key belongs to a certificate: name it with --mqtt-cert")
    for file in filter(None, (ca, certificate, key)):
        with told_of_pipe(file):
            Path(file).open("rb").close()  # ssl's own error does not say which
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise ValueError(f"--mqtt-ca {ca}: certificates in PEM expected ({error})") from error
    if ca is not None:
        # Python 3.13 alone asks for extensions that `man mosquitto-tls` makes none of, and for no
        # root behind an authority that is given: with the user's own, all Pythons do the same.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.sslsocket_class = _Connection
    if certificate:
        try:
            # An empty pass phrase: nobody is there to be asked for one.
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(
                f"--mqtt-cert {certificate}: a certificate and its key in PEM, without a pass "
                f"phrase, expected ({error})"
            ) from error
    return context


class _Connection(ssl.SSLSocket):
    """Closes itself where the other end is not believed: paho leaves it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ConnectionResetError, ssl.SSLEOFError) as error:
            self.close()
            raise ConnectionResetError(f"it hangs up where TLS begins; {NO_TLS}") from error
        except BaseException:
            self.close()
            raise
