"""MQTT inheritance: events that still wait on disk under a camera's earlier name."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from edge_runtime.sinks.mqtt.message_store import FILE, Message, MessageStore, lock_folder
from edge_runtime.sinks.mqtt.outbox import Outbox

log = logging.getLogger(__name__)

SUFFIXES = ("", "-wal", "-shm")  # of SQLite's file
LIMIT = 16_000_000  # bytes; nothing is added


def inherit(folders: Sequence[Path], outbox: Outbox) -> None:
    """Take over what waits in the outboxes of earlier names: it is delivered on their topics, and
    their files go. A folder that is used, or cannot be read, is left as it is, and that is said.
    """
    for folder in folders:
        if not (folder / FILE).exists():
            continue
        try:
            count = _take_over(folder, outbox)
        except OSError as error:
            log.error("mqtt: what waits in %s stays there: %s", folder, error)
        else:
            if count:
                log.warning("mqtt: %d events of the earlier name %s wait", count, folder.name)


def forget_waiting(folder: Path) -> int | None:
    """Delete the outbox of a name, and what waits in it. Returns: how many events; None where there
    is none. Raises: OSError for one that is used."""
    if not (folder / FILE).exists():
        return None
    with lock_folder(folder):
        with closing(MessageStore(folder, LIMIT)) as store:
            count = store.count
        _remove(folder)
    return count


def _take_over(folder: Path, outbox: Outbox) -> int:
    count = 0
    with lock_folder(folder):
        with closing(MessageStore(folder, LIMIT)) as store:
            for message in _messages(store):
                outbox.append(message.topic, message.payload)
                count += 1
        outbox.sync(force=True)
        if outbox.error is not None:  # else all are on our own disk; twice is better than never
            raise OSError(outbox.error)
        # Not the lock: it is what tells that this name was ours, which the broker may ask later.
        _remove(folder)
    return count


def _messages(store: MessageStore) -> Iterator[Message]:
    message, _ = store.read(store.first)
    while message is not None:
        yield message
        message, _ = store.read(message.number + 1)


def _remove(folder: Path) -> None:
    for suffix in SUFFIXES:
        (folder / f"{FILE}{suffix}").unlink(missing_ok=True)
