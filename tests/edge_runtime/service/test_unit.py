"""The unit that `install-service` writes, judged by systemd's own programs where they are."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from edge_runtime.__main__ import main
from edge_runtime.commands import run as run_command
from edge_runtime.service.unit import WATCHDOG_SECONDS, Unit, quote
from edge_runtime.sinks.registry import SINKS
from tests.conftest import HANG, ROOT, needs_opencv
from tests.edge_runtime.service.fixtures import account_fixture, unit_of  # noqa: F401

MODEL = str(ROOT / "models" / "digits_int8.tflite")
SYSTEMD = Path("/lib/systemd/systemd")
NOBODY = pwd.getpwnam("nobody")
# Nothing in these may be split, expanded or taken for an escape.
ODD_WORDS = [
    "a b",
    "50%",
    "%h",
    'say "hi"',
    "it's",
    "back\\slash",
    "$HOME",
    "${HOME}",
    ";",
    "é",
    "",
]


def a_unit(**changes) -> Unit:
    values = {
        "name": "edge-runtime",
        "command": ("/bin/true", "run"),
        "folder": "/",
        "environment_file": "/etc/edge-runtime.env",
        "user": "daemon",
        "groups": ("video",),
    }
    return Unit(**{**values, **changes})


def verify(path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    command = ["systemd-analyze", "verify", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    # An unknown key is only a warning to it.
    ours = [line for line in (done.stdout + done.stderr).splitlines() if path.name in line]
    assert (done.returncode, ours) == (0, [])


@needs_opencv
def test_systemd_finds_nothing_wrong(account, tmp_path):
    out = tmp_path / "edge-runtime.service"
    odd = tmp_path / "50% of $HOME"
    flags = ["--source", "rtsp://camera/stream", "--jsonl", str(odd / "a b.jsonl")]
    assert main(["install-service", "--out", str(out), MODEL, *flags]) == 0
    verify(out)


def test_systemd_finds_nothing_wrong_with_a_users_own(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    out = tmp_path / "edge-runtime.service"
    assert main(["install-service", "--user", "--out", str(out), MODEL]) == 0
    values = unit_of(out.read_text())
    # What a user's manager cannot do, or must not be told.
    assert not {"User", "SupplementaryGroups", "ProtectSystem", "CapabilityBoundingSet"} & {*values}
    assert values["WantedBy"] == ["default.target"]
    verify(out)


def test_verify_would_see_a_mistake(tmp_path):
    path = tmp_path / "edge-runtime.service"
    path.write_text(a_unit().text().replace("WatchdogSec=", "WatchdogSecs="))
    with pytest.raises(AssertionError, match="WatchdogSecs"):
        verify(path)


def test_systemd_reads_the_words_that_were_meant():
    if not SYSTEMD.exists():
        pytest.skip("systemd is not installed, which would read the unit")
    if os.getuid() != 0:
        pytest.skip("systemd's dry run is made as nobody, which only root can become")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unit = a_unit(
            command=("/bin/true", *ODD_WORDS),
            folder='/srv/a b/%h "c"',
            writable=('/srv/a b/%h "c"', "/srv/plain"),
            environment_file="/etc/50%.env",
        )
        (folder / "odd.service").write_text(unit.text())
        for path in (folder, folder / "odd.service"):
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        done = subprocess.run(
            [SYSTEMD, "--test", "--system", "--unit=odd.service"],
            env={"XDG_RUNTIME_DIR": name, "HOME": name, "SYSTEMD_UNIT_PATH": f"{name}:"},
            user=NOBODY.pw_uid,
            group=NOBODY.pw_gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=HANG,
        )
    dump = (done.stdout + done.stderr).split("-> Unit odd.service:")[1].split("\n-> Unit ")[0]
    found = {}
    for line in dump.splitlines():
        key, colon, value = line.strip().partition(": ")
        if colon:
            found.setdefault(key, value)
    # It prints the words quoted again, and $$ becomes $ only when it starts them.
    words = shlex.split(found["Command Line"].replace("\\$", "$"))
    assert [word.replace("$$", "$") for word in words[1:]] == ODD_WORDS
    assert found["WorkingDirectory"] == '/srv/a b/%h "c"'
    assert found["ReadWritePaths"] == '-/srv/a b/%h "c" -/srv/plain'
    assert found["EnvironmentFile"] == "-/etc/50%.env"
    assert found["DevicePolicy"] == "auto"  # closed would shut out cameras
    assert found["WatchdogSec"] == "2min"


def test_quote():
    assert quote("/usr/bin/python3") == "/usr/bin/python3"
    assert quote("a b") == '"a b"'
    assert quote('50% "$x"\\') == '"50%% \\"$$x\\"\\\\"'
    with pytest.raises(ValueError, match=r"'a\\nb'"):
        quote("a\nb")


@needs_opencv
def test_what_the_unit_says(account, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODEL, tmp_path / "m.tflite")
    flags = ["--source", "usb:0", "--jsonl", "out/a.jsonl", "--max-fps", "0.01"]
    assert main(["install-service", "--dry-run", "m.tflite", *flags]) == 0
    values = unit_of(capsys.readouterr().out)
    (command,) = values["ExecStart"]
    words = shlex.split(command)
    assert Path(words[0]).is_absolute()
    assert words[1:5] == ["-m", "edge_runtime", "run", str(tmp_path / "m.tflite")]
    assert words[5:] == flags
    assert values["WorkingDirectory"] == [str(tmp_path)]
    assert values["ReadWritePaths"] == [f"-{tmp_path / 'out'}"]
    assert values["RequiresMountsFor"] == [str(tmp_path / "out")]
    assert values["User"] == ["daemon"]
    assert values["SupplementaryGroups"] == ["video"]
    assert values["WatchdogSec"] == ["600"]  # six times a frame of 100 seconds
    assert values["OOMPolicy"] == ["continue"]
    assert "PrivateTmp" not in values  # it would hide the model, which lies there
    assert "network-online.target" not in str(values["After"])
    assert list(tmp_path.iterdir()) == [tmp_path / "m.tflite"]


def test_watchdog_leaves_time_for_a_camera_to_come_back(account, capsys):
    assert main(["install-service", "--dry-run", MODEL]) == 0
    assert unit_of(capsys.readouterr().out)["WatchdogSec"] == [str(WATCHDOG_SECONDS)]
    assert main(["install-service", "--dry-run", MODEL, "--stall-after", "60"]) == 0
    assert unit_of(capsys.readouterr().out)["WatchdogSec"] == ["360"]


@needs_opencv
def test_network_is_waited_for_where_an_address_is_named(account, capsys):
    assert main(["install-service", "--dry-run", MODEL, "--source", "rtsp://camera/1"]) == 0
    assert "network-online.target" in unit_of(capsys.readouterr().out)["After"][0].split()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--score-threshold", "7"], "score_threshold must lie"),
        (["--classes", "dragon"], "dragon"),
        (["--source", "usb:x"], "usb:N expected"),
        (["--source", "no/such/folder"], "no/such/folder"),
        (["--source", "http://me:s3cret@camera/1"], "EDGE_RUNTIME_SOURCE"),
        (["--mqtt", "mqtt://me:s3cret@broker"], "EDGE_RUNTIME_MQTT_PASSWORD"),
        (["--dry-run"], "before MODEL"),
        (["--window"], "a service has no display for --window; --web shows the same"),
        (["--web-fps", "5"], "--web-fps does nothing without --web"),
    ],
)
def test_mistakes_are_found_when_installing(account, tmp_path, capsys, flags, message):
    out = tmp_path / "unit.service"
    assert main(["install-service", "--out", str(out), MODEL, *flags]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "s3cret" not in said
    assert not out.exists()


def test_an_unknown_flag_of_run(account, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["install-service", "--out", str(tmp_path / "u"), MODEL, "--no-such-flag"])
    assert left.value.code == 2
    assert "--no-such-flag" in capsys.readouterr().err


def test_a_missing_model(account, tmp_path, capsys):
    assert main(["install-service", "--dry-run", str(tmp_path / "none.tflite")]) == 2
    assert "none.tflite" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../evil", "a b", "", "-x", "a.service/"])
def test_bad_names(account, capsys, name):
    assert main(["install-service", f"--name={name}", "--dry-run", MODEL]) == 2
    assert "name of letters" in capsys.readouterr().err


def test_every_flag_of_run_with_a_place_is_known():
    """A flag that writes somewhere would fail in a service to which all else is read-only."""
    import argparse

    subparsers = argparse.ArgumentParser().add_subparsers()
    run_command.add_parser(subparsers)
    known = {flag for sink in SINKS for flag in (*sink.reads, *sink.writes, *sink.fills)}
    known.add("--labels")
    places = {
        action.option_strings[0]
        for action in subparsers.choices["run"]._actions
        if action.metavar in ("FILE", "DIR")
    }
    assert places == known
