"""`install-service` writes a unit and its file of secrets, and loses nothing."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from edge_runtime.__main__ import main
from edge_runtime.commands import install_service as service_command
from tests.conftest import HANG, ROOT, needs_opencv
from tests.edge_runtime.service.fixtures import account_fixture, unit_of  # noqa: F401

MODEL = str(ROOT / "models" / "digits_int8.tflite")


@pytest.fixture
def places(account, tmp_path, monkeypatch):
    """What is below /etc is here; whoever runs the tests is root."""
    monkeypatch.setattr(
        service_command, "unit_path", lambda args: tmp_path / f"{args.name}.service"
    )
    monkeypatch.setattr(service_command, "secrets_path", lambda args: tmp_path / f"{args.name}.env")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: None)
    return tmp_path


def test_install(places, capsys):
    assert main(["install-service", MODEL, "--jsonl", str(places / "new" / "a.jsonl")]) == 0
    said = capsys.readouterr().out
    for line in ("daemon-reload", "enable edge-runtime", "journalctl -u edge-runtime"):
        assert line in said
    unit = unit_of((places / "edge-runtime.service").read_text())
    assert unit["EnvironmentFile"] == [f"-{places / 'edge-runtime.env'}"]
    secrets = places / "edge-runtime.env"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert all(line.startswith("#") for line in secrets.read_text().splitlines())
    assert "EDGE_RUNTIME_WEB_TOKEN" in secrets.read_text()
    assert (places / "new").is_dir()  # systemd would not start without
    assert "journal" not in said.replace("journalctl", "")


def test_install_again_keeps_what_was_there(places, capsys):
    assert main(["install-service", MODEL]) == 0
    assert "note: every result goes to the system's journal" in capsys.readouterr().out
    first = (places / "edge-runtime.service").read_text()
    (places / "edge-runtime.env").write_text("EDGE_RUNTIME_WEB_TOKEN=mine\n")
    assert main(["install-service", MODEL]) == 0  # the same again: nothing to keep
    assert not (places / "edge-runtime.service.bak").exists()
    capsys.readouterr()
    assert main(["install-service", MODEL, "--max-fps", "2"]) == 0
    assert "is replaced; the earlier one is" in capsys.readouterr().out
    assert (places / "edge-runtime.service.bak").read_text() == first
    assert "--max-fps 2" in (places / "edge-runtime.service").read_text()
    assert (places / "edge-runtime.env").read_text() == "EDGE_RUNTIME_WEB_TOKEN=mine\n"


@needs_opencv
@pytest.mark.parametrize(
    ("flags", "address"),
    [
        (["--source", "rtsp://admin:hunter2@cam/x"], "rtsp://admin:hunter2@cam/x"),
        (["--source=http://cam/v?u=admin&p=hunter2"], "http://cam/v?u=admin&p=hunter2"),
        (["--so", "rtsp://cam/hunter2hunter2hunter2"], "rtsp://cam/hunter2hunter2hunter2"),
        (["--source", "rtsp://a:hunter2$x`\"'\\@cam/%20#"], "rtsp://a:hunter2$x`\"'\\@cam/%20#"),
    ],
)
def test_an_address_with_a_secret_goes_where_only_its_owner_reads(places, capsys, flags, address):
    secrets = places / "edge-runtime.env"
    secrets.write_text("EDGE_RUNTIME_WEB_TOKEN=mine\n#EDGE_RUNTIME_SOURCE=\nEDGE_RUNTIME_SOURCE=a")
    flags = ["--max-fps", "2", *flags, "--rotate", "180"]
    assert main(["install-service", MODEL, *flags]) == 0
    said = capsys.readouterr()
    unit = (places / "edge-runtime.service").read_text()
    assert "hunter2" not in unit + said.out + said.err
    assert "--max-fps 2 --rotate 180" in unit and "--so" not in unit
    assert "network-online.target" in unit
    assert "has the address" in said.out and "://cam as EDGE_RUNTIME_SOURCE" in said.out
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    # systemd reads it as a shell does.
    script = '. "$0"; printf "%s %s" "$EDGE_RUNTIME_WEB_TOKEN" "$EDGE_RUNTIME_SOURCE"'
    done = subprocess.run(
        ["sh", "-c", script, secrets], capture_output=True, text=True, timeout=HANG
    )
    assert done.stdout == f"mine {address}", done.stderr
    assert secrets.read_text().count("EDGE_RUNTIME_SOURCE") == 2  # the comment, and this


@needs_opencv
def test_a_source_of_the_environment_is_that_of_the_service(places, monkeypatch):
    monkeypatch.setenv("EDGE_RUNTIME_SOURCE", "rtsp://admin:hunter2@cam/x")
    assert main(["install-service", MODEL]) == 0
    assert "hunter2" not in (places / "edge-runtime.service").read_text()
    assert (
        'EDGE_RUNTIME_SOURCE="rtsp://admin:hunter2@cam/x"'
        in (places / "edge-runtime.env").read_text()
    )
    monkeypatch.setenv("EDGE_RUNTIME_SOURCE", "usb:1")
    assert main(["install-service", MODEL]) == 0
    assert "--source usb:1" in (places / "edge-runtime.service").read_text()
    assert main(["install-service", MODEL, "--source", "usb:2"]) == 0
    assert "usb:1" not in (places / "edge-runtime.service").read_text()


@pytest.mark.parametrize("way", [["--dry-run"], ["--out", "unit"]])
def test_a_unit_alone_has_no_place_for_a_secret(places, monkeypatch, capsys, way):
    monkeypatch.chdir(places)
    assert main(["install-service", *way, MODEL, "--source", "http://cam/x?p=hunter2"]) == 2
    said = capsys.readouterr()
    assert "as EDGE_RUNTIME_SOURCE into" in said.err and "hunter2" not in said.out + said.err
    assert not (places / "unit").exists()


def test_an_earlier_unit_may_hold_a_secret(places):
    (places / "edge-runtime.service").write_text("--source http://cam/x?p=hunter2")
    assert main(["install-service", MODEL]) == 0
    assert stat.S_IMODE((places / "edge-runtime.service.bak").stat().st_mode) == 0o600


def test_two_cameras_are_two_services(places):
    for name in ("door", "garden"):
        assert main(["install-service", "--name", name, MODEL]) == 0
        unit = unit_of((places / f"{name}.service").read_text())
        assert unit["StateDirectory"] == [name]
        assert unit["EnvironmentFile"] == [f"-{places / name}.env"]


def test_only_root_installs_for_the_system(places, monkeypatch, capsys):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert main(["install-service", MODEL]) == 2
    assert "sudo" in capsys.readouterr().err
    assert list(places.iterdir()) == []


def test_root_has_no_unit_of_its_own(places, capsys):
    assert main(["install-service", "--user", MODEL]) == 2
    assert "leave out sudo" in capsys.readouterr().err
