"""The unit that `install-service` writes, judged by systemd's own programs where they are."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from edge_runtime import run_command, service_command
from edge_runtime.__main__ import main
from edge_runtime.service import accounts
from edge_runtime.service.accounts import Account, find_account, stranger_to
from edge_runtime.service.flags import READ_FILES, SINKS, WRITTEN_FILES, WRITTEN_FOLDERS
from edge_runtime.service.unit import WATCHDOG_SECONDS, Unit, quote
from tests.conftest import ROOT

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


def unit_of(text: str) -> dict[str, list[str]]:
    """key → its values."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            values.setdefault(key, []).append(value)
    return values


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


@pytest.fixture
def account(monkeypatch):
    """Somebody who may read everything, whoever runs the tests and wherever Python lies."""
    user = Account("daemon", 1, 1, frozenset({1}), ("video",))
    monkeypatch.setattr(service_command, "find_account", lambda name=None: user)
    monkeypatch.setattr(service_command, "stranger_to", lambda account, path: None)
    return user


def verify(path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    command = ["systemd-analyze", "verify", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    # An unknown key is only a warning to it.
    ours = [line for line in (done.stdout + done.stderr).splitlines() if path.name in line]
    assert (done.returncode, ours) == (0, [])


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
            timeout=60,
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
    assert "PrivateTmp" not in values  # it would hide the model, which lies there
    assert "network-online.target" not in str(values["After"])
    assert list(tmp_path.iterdir()) == [tmp_path / "m.tflite"]


def test_watchdog_leaves_time_for_a_camera_to_come_back(account, capsys):
    assert main(["install-service", "--dry-run", MODEL]) == 0
    assert unit_of(capsys.readouterr().out)["WatchdogSec"] == [str(WATCHDOG_SECONDS)]
    assert main(["install-service", "--dry-run", MODEL, "--stall-after", "60"]) == 0
    assert unit_of(capsys.readouterr().out)["WatchdogSec"] == ["360"]


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
        (["--source", "rtsp://me:s3cret@camera/1"], "EDGE_RUNTIME_SOURCE"),
        (["--dry-run"], "before MODEL"),
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
    known = {*WRITTEN_FILES, *WRITTEN_FOLDERS, *SINKS, *READ_FILES}
    for action in subparsers.choices["run"]._actions:
        if action.metavar in ("FILE", "DIR"):
            assert action.dest in known, action.dest


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


@pytest.mark.parametrize("name", ["root", "no-such-user-here"])
def test_refused_users(name):
    with pytest.raises(ValueError, match=r"--user-name|useradd"):
        find_account(name)


def test_who_called_sudo_runs_it(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "nobody")
    assert find_account().uid == NOBODY.pw_uid
    for caller in ("root", None):
        monkeypatch.delenv("SUDO_USER", raising=False)
        if caller is not None:
            monkeypatch.setenv("SUDO_USER", caller)
        with pytest.raises(ValueError, match="--user-name"):
            find_account()


def test_only_groups_that_exist_are_named(monkeypatch):
    """systemd refuses to start a service with a group that is not there."""
    monkeypatch.setattr(accounts, "DEVICE_GROUPS", ("daemon", "no-such-group-here"))
    assert find_account("nobody").device_groups == ("daemon",)


def test_what_the_user_may_not_read_is_found():
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        closed, model = Path(name, "closed"), Path(name, "closed", "inner", "m.tflite")
        model.parent.mkdir(parents=True)
        model.write_bytes(b"")
        owner = model.stat()
        others = frozenset({owner.st_gid + 1})
        stranger = Account("s", owner.st_uid + 1, owner.st_gid + 1, others, ())
        friend = Account("f", owner.st_uid + 1, owner.st_gid, frozenset({owner.st_gid}), ())
        self = Account("o", owner.st_uid, owner.st_gid, frozenset({owner.st_gid}), ())
        for folder in (Path(name), closed, model.parent):
            folder.chmod(0o755)
        model.chmod(0o644)
        assert stranger_to(stranger, model) is None
        model.chmod(0o640)
        assert stranger_to(friend, model) is None
        assert stranger_to(stranger, model) == model
        closed.chmod(0o710)
        assert stranger_to(friend, model) is None
        assert stranger_to(stranger, model) == closed
        model.chmod(0o600)
        assert stranger_to(friend, model) == model
        assert stranger_to(self, model) is None
