"""Throw-away authorities and what they sign, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import HANG

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
# Of `openssl ca`, which alone can date a certificate.
CONFIG = """\
[ca]
default_ca = authority
[authority]
new_certs_dir = .
database = {name}.index
serial = {name}.serial
certificate = {name}.pem
private_key = {name}.key
default_md = sha256
unique_subject = no
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


class Authority:
    """NAME.pem and NAME.key in a folder, and what it signs beside them.

    extensions: of its own certificate. As `man mosquitto-tls` says, there is no keyUsage among
    them, which Python 3.13 asks for.
    """

    def __init__(self, folder: Path, name: str, *extensions: str) -> None:
        self.folder, self.name = folder, name
        self.file = folder / f"{name}.pem"
        given = [word for extension in extensions for word in ("-addext", extension)]
        given += ["-subj", f"/CN={name}", "-days", "2"]
        openssl(folder, "req", "-x509", *CURVE, *given, "-keyout", f"{name}.key", "-out", self.file)
        (folder / f"{name}.cnf").write_text(CONFIG.format(name=name))
        (folder / f"{name}.index").touch()
        (folder / f"{name}.serial").write_text("1000\n")

    def sign(self, name: str, subject: str, *extensions: str, dates: tuple[str, str] = ()) -> Path:
        """NAME.pem with NAME.key. dates: from and until, as YYMMDDHHMMSSZ; two days without."""
        given = [word for extension in extensions for word in ("-addext", extension)]
        request = ["-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
        openssl(self.folder, "req", "-new", *CURVE, *given, *request)
        times = ["-startdate", dates[0], "-enddate", dates[1]] if dates else ["-days", "2"]
        signing = ["-batch", "-notext", "-config", f"{self.name}.cnf", *times]
        signing += ["-in", f"{name}.csr", "-out", f"{name}.pem"]
        openssl(self.folder, "ca", *signing)
        return self.folder / f"{name}.pem"


def openssl(folder: Path, *arguments: object) -> None:
    try:
        command = ["openssl", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG)
    except FileNotFoundError:
        pytest.skip("no openssl here, which makes the certificates: apt install openssl")
    assert done.returncode == 0, f"{command}: {done.stderr}"
