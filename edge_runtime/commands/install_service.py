"""`edge-runtime install-service`: a systemd unit that runs `run` for months."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from edge_runtime.arguments import (
    CURABLE,
    PROGRAM,
    SubParsers,
    local_path,
    path_of_file,
    run_command,
)
from edge_runtime.commands.detector_flags import MODEL_HELP
from edge_runtime.media.atomic import atomic_path
from edge_runtime.service.accounts import Account, find_account, first_unreadable
from edge_runtime.service.flags import (
    check_flags,
    has_sink,
    needs_network,
    public_flags,
    read_files,
    written_folders,
)
from edge_runtime.service.secrets_file import SOURCE, make_secrets, set_variable
from edge_runtime.service.unit import Unit, watchdog_seconds
from edge_runtime.sources.address import public_source
from edge_runtime.sources.base import SourceError

DESCRIPTION = """\
Write a systemd unit that runs `edge-runtime run MODEL …`, starts it again whenever
it ends or no longer sees anything, and locks it in. Its own flags come before MODEL;
what follows are MODEL and the flags of `run`. What the flags name is looked for from
the folder in which this command is given.
Exit status: 0; 2 if nothing was written.
"""
EPILOG = """\
example:
  sudo ~/edge/bin/edge-runtime install-service models/digits_int8.tflite --web 0.0.0.0:8080
"""

NO_SINK = (
    "every result goes to the system's journal, one JSON line a frame; "
    "--web, --mqtt, --save-events or --jsonl FILE would spare it"
)


def add_parser(subparsers: SubParsers) -> None:
    """Add `install-service` to the sub-commands."""
    parser = subparsers.add_parser(
        "install-service",
        help="have systemd run it, from boot on, and watch over it",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s [FLAGS] MODEL [FLAGS OF run]",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--name", default="edge-runtime", help="of the unit (default: %(default)s)")
    add("--user-name", metavar="USER", help="who runs it; not root (default: who called sudo)")
    add("--user", action="store_true", help="a unit of your own, without sudo and less locked in")
    add("--out", metavar="FILE", type=path_of_file, help="write the unit there and nothing else")
    add("--dry-run", action="store_true", help="print the unit and write nothing")
    add("model", metavar="MODEL", type=local_path, help=MODEL_HELP)
    add("flags", metavar="FLAGS OF run", nargs=argparse.REMAINDER, help="see edge-runtime run -h")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the unit. Returns: the exit status."""
    return run_command(PROGRAM, lambda: _write(args), curable=(*CURABLE, SourceError))


def _write(args: argparse.Namespace) -> int:
    check_name(args.name)
    run_args = check_flags(args.model, args.flags)
    args.flags, source = public_flags(args.flags, run_args.source)
    unit = make_unit(args, run_args)
    text = unit.text()
    if source is not None and (args.dry_run or args.out is not None):
        raise ValueError(
            f"--source {public_source(source)} may hold a secret, and everybody on this machine "
            f"may read a unit; leave it out, and write it as {SOURCE} into {secrets_path(args)}"
        )
    if args.dry_run:
        print(text, end="")
    elif args.out is not None:
        write_unit(args.out, text)
    else:
        install(args, unit, text, source)
        if not has_sink(run_args):
            print(f"note: {NO_SINK}")
    return 0


def check_name(name: str) -> None:
    """Refuse what is no name of a unit and a folder. Raises: ValueError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError(f"a name of letters, digits, - and _ expected, got {name!r}")


def make_unit(args: argparse.Namespace, run_args: argparse.Namespace) -> Unit:
    """The unit that the flags ask for. Raises: ValueError for a user who cannot run it."""
    model = Path(args.model).absolute()
    python = Path(sys.executable).absolute()  # not resolved: a venv's Python is a link
    command = (str(python), "-m", "edge_runtime", "run", str(model), *args.flags)
    unit = Unit(
        name=args.name,
        command=command,
        folder=str(Path.cwd()),
        environment_file=str(secrets_path(args)),
        watchdog_seconds=watchdog_seconds(run_args),
    )
    if args.user:
        if os.getuid() == 0:
            raise ValueError("--user installs for yourself, got root; leave out sudo, or --user")
        return unit
    account = find_account(args.user_name)
    if args.out is None and not args.dry_run and os.getuid() != 0:
        raise ValueError("only root may install a service; put sudo before the command, or --user")
    read = (python, python.resolve(), Path(__file__), model, Path.cwd(), *read_files(run_args))
    check_readable(account, read)
    written = sorted({str(folder) for folder in written_folders(run_args)})
    return replace(
        unit,
        user=account.name,
        groups=account.device_groups,
        writable=written,
        hide_tmp=not any(map(in_tmp, (*read, *map(Path, written)))),
        needs_network=needs_network(run_args),
    )


def check_readable(account: Account, paths: Iterable[Path]) -> None:
    """Refuse a user who cannot read what the service needs. Raises: ValueError, OSError."""
    for path in paths:
        barrier = first_unreadable(account, path)
        if barrier is not None:
            raise ValueError(
                f"{path}: user {account.name} may not enter or read {barrier}; move it, change "
                "its rights, or name another user with --user-name"
            )


def in_tmp(path: Path) -> bool:
    """True if a /tmp of its own would hide `path` from the service."""
    return any(path.is_relative_to(folder) for folder in ("/tmp", "/var/tmp"))


def unit_path(args: argparse.Namespace) -> Path:
    """Path at which systemd looks for the unit."""
    folder = Path.home() / ".config/systemd/user" if args.user else Path("/etc/systemd/system")
    return folder / f"{args.name}.service"


def secrets_path(args: argparse.Namespace) -> Path:
    """Path of the file with the service's secrets."""
    return (Path.home() / ".config" if args.user else Path("/etc")) / f"{args.name}.env"


def install(args: argparse.Namespace, unit: Unit, text: str, source: str | None) -> None:
    """Write unit, secrets and the folders that it needs; say what comes next.

    source: an address for the file of secrets, or None.
    """
    systemctl = "systemctl --user" if args.user else "sudo systemctl"
    if unit.user is not None:
        make_folders(unit.writable, find_account(unit.user))
    write_secrets(args, f"{systemctl} restart {args.name}", source)
    write_unit(unit_path(args), text)
    print("next:")
    print(f"  {systemctl} daemon-reload && {systemctl} enable {args.name}")
    print(f"  {systemctl} restart {args.name}")
    print(f"  journalctl {'--user ' if args.user else ''}-u {args.name} -f")
    if args.user:
        print("  sudo loginctl enable-linger $USER   # or it runs only while you are logged in")


def write_unit(path: Path, text: str) -> None:
    """Write a unit file; an earlier one that differs is kept beside it."""
    if path.exists():
        earlier = path.read_text(encoding="utf-8", errors="surrogateescape")
        if earlier != text:
            backup = path.with_name(f"{path.name}.bak")
            # Earlier versions left secrets in it.
            with atomic_path(backup, is_secret=True) as temporary:
                temporary.write_text(earlier, encoding="utf-8", errors="surrogateescape")
            print(f"{path} is replaced; the earlier one is {backup}")
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"wrote {path}")


def write_secrets(args: argparse.Namespace, restart: str, source: str | None) -> None:
    """Write the file for secrets, with the address of a source where there is one."""
    path = secrets_path(args)
    made = make_secrets(path, args.name, restart)
    if source is not None:
        set_variable(path, SOURCE, source)
        print(f"{path} has the address {public_source(source)} as {SOURCE}, not the unit")
    if made:
        print(f"wrote {path}: passwords and tokens go there")
    elif source is None:
        print(f"{path} stays as it is")


def make_folders(folders: Iterable[str], account: Account) -> None:
    """Make missing folders, owned by the service's user: systemd would not start without."""
    for folder in map(Path, folders):
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            os.chown(made, account.uid, account.gid)
