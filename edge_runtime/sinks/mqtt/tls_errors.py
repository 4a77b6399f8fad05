"""TLS errors of a broker's connection: what is wrong, in words of its own, and what to do.

Numbers are OpenSSL's X509_V_ERR_…, https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
"""

from __future__ import annotations

import ssl
import time

HOST_MISMATCH = {62, 64}  # of a name, of an IP address
NOT_YET_VALID, EXPIRED = {9}, {10}
# Also a signature by another authority of the same name.
UNKNOWN_AUTHORITY = {2, 7, 18, 19, 20, 21, 27, 30, 31}
# What a certificate may be used for; from 80 on what only VERIFY_X509_STRICT asks for.
WRONG_USE = {26, 32, 37, 39, 79, *range(80, 95)}
TOO_WEAK = {66, 67, 68}
NO_TLS = "does that port speak TLS? mqtts:// is for the broker's TLS port, mostly 8883"
OURS = "does the broker ask for a certificate of ours? --mqtt-cert and --mqtt-key"
OLD = (
    "the broker's TLS is too old: 1.2 or 1.3 is expected, with ciphers of today (tls_version and "
    "ciphers in mosquitto.conf)"
)
# As the two ends call it that have no version in common.
OLD_REASONS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "VERSION_TOO_LOW")
# Nobody's clock was right before this program was written.
FIRST_YEAR = 2026


def explain(error: ssl.SSLError, host: str, ca: str | None) -> str:
    """An error, and its cure. ca: file of authorities that the user named, or None."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{_openssls_words(error)}; {_cure(error.verify_code, host, ca)}"
    reason = (getattr(error, "reason", None) or "").upper()
    if "WRONG_VERSION_NUMBER" in reason:
        return (
            f"{error}; that port speaks no TLS: mqtts:// is for the broker's TLS port, mostly 8883"
        )
    if any(old in reason for old in OLD_REASONS):
        return f"{error}; {OLD}"
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return f"{error}; {OURS}; or {OLD}" if "FAILURE" in reason else f"{error}; {OURS}"
    if "ALERT" in reason and ("UNKNOWN_CA" in reason or "CERTIFICATE" in reason):
        return f"{error}; the broker does not accept our certificate: see --mqtt-cert"
    return str(error)


def _openssls_words(error: ssl.SSLCertVerificationError) -> str:
    return f"the broker's certificate is not accepted: {error.verify_message}"


def _cure(code: int, host: str, ca: str | None) -> str:
    if code in HOST_MISMATCH:
        return (
            f"it is not made out to {host}: name the broker in --mqtt as its certificate does, or "
            "make it one with the subjectAltName DNS:NAME or IP:ADDRESS that is used here"
        )
    if code in NOT_YET_VALID:
        return f"this computer's clock says {_now()}: {_clock_cure()}"
    if code in EXPIRED:
        cure = "renew it, or that of its authority, on the broker"
        return f"this computer's clock says {_now()}; if that is right, {cure}"
    if code in UNKNOWN_AUTHORITY:
        if ca is None:
            return "an authority of your own is named with --mqtt-ca FILE"
        return f"none of the authorities in --mqtt-ca {ca} has signed it, or one between is missing"
    if code in WRONG_USE:
        return (
            "this Python asks for more in a certificate than others do; an authority that is named "
            "with --mqtt-ca FILE is taken as it is"
            if ca is None
            else "it, or its authority's, was made for another use: see its keyUsage, "
            "extendedKeyUsage and basicConstraints (openssl x509 -text -in FILE)"
        )
    if code in TOO_WEAK:
        return "make it anew with an RSA key of 2048 bits or more, or an EC key, and SHA-256"
    return "openssl s_client -connect HOST:PORT -showcerts shows it"


def _clock_cure() -> str:
    if time.gmtime().tm_year < FIRST_YEAR:
        return (
            "it is not set yet; a Pi without a battery waits for the network's time "
            "(timedatectl), and it is tried again"
        )
    return "if that is wrong, set it (timedatectl); else the certificate begins later"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
