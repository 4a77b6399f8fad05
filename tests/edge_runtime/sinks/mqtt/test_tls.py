"""TLS with a real mosquitto: certificates as people make them, and words for each that is wrong."""

import datetime
import socket
import ssl
import threading
import time
import warnings
from contextlib import suppress

import pytest

from edge_runtime.sinks.mqtt import tls_errors
from edge_runtime.sinks.mqtt.broker import Broker, make_tls
from edge_runtime.sinks.mqtt.tls_errors import explain
from tests.edge_runtime.sinks.mqtt.certificates import Authority
from tests.edge_runtime.sinks.mqtt.mosquitto import PATIENCE, Mosquitto

HERE = "subjectAltName=IP:127.0.0.1,DNS:localhost"


def days_from_now(days: int) -> str:
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)
    return moment.strftime("%y%m%d%H%M%SZ")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with authorities and certificates of brokers."""
    folder = tmp_path_factory.mktemp("certificates")
    ours = Authority(folder, "ours")
    ours.sign("right", "broker", HERE)
    ours.sign("named", "localhost")  # without subjectAltName, as `man mosquitto-tls` makes it
    ours.sign("number", "127.0.0.1")
    ours.sign("stranger", "broker", "subjectAltName=DNS:broker.lan")
    ours.sign("expired", "broker", HERE, dates=(days_from_now(-9), days_from_now(-3)))
    ours.sign("early", "broker", HERE, dates=(days_from_now(3), days_from_now(9)))
    ours.sign("client", "broker", HERE, "extendedKeyUsage=clientAuth")
    Authority(folder, "other")
    (folder / "again").mkdir()
    Authority(folder / "again", "ours")  # of the same name, with another key
    Authority(folder, "alone", HERE)
    return folder


@pytest.fixture(scope="module")
def broker(made, tmp_path_factory):
    """Starts mosquitto with a certificate; all are ended."""
    running = {}

    def start(name):
        if name not in running:
            lines = ("allow_anonymous true", f"certfile {made}/{name}.pem",
                     f"keyfile {made}/{name}.key")  # fmt: skip
            running[name] = Mosquitto(tmp_path_factory.mktemp(name), lines)
            running[name].start()
        return running[name].port

    yield start
    for process in running.values():
        process.kill()


def shake_hands(port, ca, host="127.0.0.1"):
    """None, or what is said of why not."""
    context = make_tls(Broker(host, port, True), None if ca is None else str(ca))
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        try:
            context.wrap_socket(connection, server_hostname=host).close()
        except ssl.SSLError as error:
            return explain(error, host, ca)
        except ConnectionResetError as error:
            return str(error)
    return None


@pytest.mark.parametrize(
    ("certificate", "ca", "host"),
    [
        ("right", "ours", "127.0.0.1"),
        ("right", "ours", "localhost"),
        ("named", "ours", "localhost"),  # a name in the subject alone
        ("alone", "alone", "127.0.0.1"),  # the broker's own certificate instead of an authority
        ("right", "right", "127.0.0.1"),  # the same, signed by another
    ],
)
def test_what_is_taken_by_every_python(made, broker, certificate, ca, host):
    assert shake_hands(broker(certificate), made / f"{ca}.pem", host) is None


@pytest.mark.parametrize(
    ("certificate", "ca", "host", "said"),
    [
        ("stranger", "ours.pem", "127.0.0.1", "it is not made out to 127.0.0.1: name the broker"),
        ("stranger", "ours.pem", "localhost", "it is not made out to localhost: name the broker"),
        ("number", "ours.pem", "127.0.0.1", "IP:ADDRESS"),  # a number must be in subjectAltName
        ("expired", "ours.pem", "127.0.0.1", "renew it"),
        ("early", "ours.pem", "127.0.0.1", "else the certificate begins later"),
        ("right", None, "127.0.0.1", "named with --mqtt-ca FILE"),
        ("alone", None, "127.0.0.1", "named with --mqtt-ca FILE"),
        ("right", "other.pem", "127.0.0.1", "none of the authorities in"),
        ("right", "again/ours.pem", "127.0.0.1", "none of the authorities in"),
        ("client", "ours.pem", "127.0.0.1", "made for another use"),
    ],
)
def test_words_for_what_is_not(made, broker, certificate, ca, host, said):
    words = shake_hands(broker(certificate), None if ca is None else made / ca, host)
    assert said in words
    assert ("--mqtt-ca FILE" in words) == (ca is None)  # no help where it is another fault
    assert ("clock says" in words) == (certificate in ("expired", "early"))


def test_a_clock_that_is_not_set(made, broker, monkeypatch):
    past = time.gmtime(0)
    monkeypatch.setattr(tls_errors.time, "gmtime", lambda: past)
    words = shake_hands(broker("early"), made / "ours.pem")
    assert "clock says 1970-01-01 00:00 UTC: it is not set yet" in words


def test_a_broker_of_old(made):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made / "right.pem", made / "right.key")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=answer)
        thread.start()
        words = shake_hands(listening.getsockname()[1], made / "ours.pem")
        thread.join(PATIENCE)
    assert "the broker's TLS is too old: 1.2 or 1.3 is expected" in words


def test_a_port_without_tls(tmp_path):
    with Mosquitto(tmp_path) as broker:
        assert "does that port speak TLS" in shake_hands(broker.port, None)


def test_the_systems_own_authorities_are_held_to_what_python_asks_for(made):
    strict = ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT
    broker = Broker("host", 8883, True)
    assert make_tls(broker).verify_flags & ssl.VERIFY_X509_STRICT == strict
    ours = make_tls(broker, str(made / "ours.pem"))
    assert not ours.verify_flags & ssl.VERIFY_X509_STRICT
    assert ours.check_hostname and ours.verify_mode == ssl.CERT_REQUIRED
