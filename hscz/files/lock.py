"""Who is at work on an artefact: a second process does not write it at the same time.

The lock is a file beside the artefact that says which process holds it, since it needs nothing of
the disk but that a file can be made once; network disks without file locks will do. A lock whose
process has ended, however it did, counts no more.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from hscz.errors import BusyError
from hscz.files.atomic import writing

EMPTY_S = 10.0
"""A lock without a name in it, in seconds, is one whose process was killed that moment."""


@contextmanager
def at_work(path: Path) -> Iterator[None]:
    """Hold the lock of an artefact.

    Parameters
    ----------
    path : Path
        The artefact to be; the lock is ``NAME.lock`` beside it.

    Raises
    ------
    BusyError
        If another process, or another thread of this one, is at work on it.
    StoreError
        If the disk does not take the lock.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "A.zarr"
    >>> with at_work(path), at_work(path):
    ...     pass
    Traceback (most recent call last):
    ...
    hscz.errors.BusyError: ...A.zarr: is being written by process ... wait for it, or stop it
    """
    lock = path.with_name(path.name + ".lock")
    with writing(path):
        lock.parent.mkdir(parents=True, exist_ok=True)
        while not _take(lock):
            _refuse_if_held(path, lock)
    try:
        yield
    finally:
        # A forked child that ends must not free what its parent holds.
        if _holder(lock).get("pid") == os.getpid():
            lock.unlink(missing_ok=True)


def _take(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    pid = os.getpid()
    me = {"pid": pid, "host": socket.gethostname(), "since": since, "started": _started(pid)}
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(me) + "\n")
    return True


def _refuse_if_held(path: Path, lock: Path) -> None:
    """Remove the lock of a process that has ended; refuse any other."""
    try:
        text, age_s = lock.read_text(), time.time() - lock.stat().st_mtime
    except FileNotFoundError:
        return
    holder = _parsed(text)
    here = holder.get("host") == socket.gethostname()
    if holder:
        ended = here and not _is_running(int(holder["pid"]), holder.get("started"))
    else:
        # The disk's clock may be ahead of ours.
        ended = abs(age_s) > EMPTY_S
    if ended:
        _remove(lock, text)
    elif holder:
        hint = "" if here else f", or remove {lock} if it has ended"
        raise BusyError(
            f"{path}: is being written by process {holder['pid']} on {holder['host']} since "
            f"{holder['since']}; wait for it, or stop it{hint}"
        )
    else:
        time.sleep(0.05)


def _remove(lock: Path, text: str) -> None:
    """Remove a lock that counts no more, unless another process did so and took it meanwhile."""
    aside = lock.with_name(f"{lock.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        os.rename(lock, aside)
        if aside.read_text() != text:
            with suppress(FileExistsError):
                os.link(aside, lock)
        aside.unlink()


def _holder(lock: Path) -> dict[str, Any]:
    try:
        return _parsed(lock.read_text())
    except FileNotFoundError:
        return {}


def _parsed(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (json.JSONDecodeError, TypeError, ValueError):
        return {}


def _is_running(pid: int, started: str | None) -> bool:
    """Return whether a process of this host is still the one that took the lock."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return started is None or _started(pid) in (started, None)


def _started(pid: int) -> str | None:
    """Return when a process began, since numbers of processes come again; None if unknown.

    That of a process that has ended, and waits for its parent to notice, is empty.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second word is the name in brackets, in which there may be blanks.
    words = text.rpartition(")")[2].split()
    return "" if words[0] == "Z" else words[19]
