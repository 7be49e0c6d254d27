"""Locks: one process at work, others told, and nobody stopped by the dead."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hscz.errors import BusyError, StoreError
from hscz.files.lock import at_work

HOLDER = """
import sys, time
from pathlib import Path
from hscz.files.lock import at_work
with at_work(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fields" / "A.zarr"


def lock_of(path: Path) -> Path:
    return path.with_name("A.zarr.lock")


def held_elsewhere(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


def test_a_second_process_is_told_who_is_at_work(path: Path) -> None:
    process = held_elsewhere(path)
    said = rf"A\.zarr: is being written by process {process.pid} on {socket.gethostname()} since 2"
    with pytest.raises(BusyError, match=said), at_work(path):
        pass
    assert lock_of(path).exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lock_of(path).exists()
    with at_work(path):
        assert json.loads(lock_of(path).read_text())["pid"] == os.getpid()
    assert not lock_of(path).exists()


def test_a_killed_process_that_nobody_waited_for_holds_nothing(path: Path) -> None:
    process = held_elsewhere(path)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with at_work(path):
        pass
    process.wait()


def test_an_error_frees_the_lock(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), at_work(path):
        raise ZeroDivisionError
    with at_work(path):
        pass


def test_of_many_threads_one_is_at_work_at_a_time(path: Path) -> None:
    inside, most, turns = [], [], threading.Barrier(8)

    def work(_: int) -> bool:
        turns.wait()
        try:
            with at_work(path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(work, range(8)))
    assert set(most) == {1}


def note(path: Path, **holder: object) -> None:
    path.parent.mkdir(exist_ok=True)
    me = {"pid": os.getpid(), "host": socket.gethostname(), "since": "2026-01-01T00:00:00"}
    lock_of(path).write_text(json.dumps(me | holder))


def test_the_number_of_a_process_that_came_again_is_another(path: Path) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system does not say when a process began")
    note(path, started="1")
    with at_work(path):
        pass


def test_a_process_of_another_host_is_not_judged(path: Path) -> None:
    note(path, host="elsewhere", started="1")
    said = r"process \d+ on elsewhere since .*, or remove .*A\.zarr\.lock if it has ended"
    with pytest.raises(BusyError, match=said), at_work(path):
        pass


@pytest.mark.parametrize("written_s", [1, 2**33])
def test_a_lock_without_a_name_is_waited_for_and_then_ignored(path: Path, written_s: int) -> None:
    path.parent.mkdir()
    lock_of(path).touch()
    os.utime(lock_of(path), (written_s, written_s))
    with at_work(path):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match=r"A\.zarr: cannot be written"),
        at_work(tmp_path / "file" / "A.zarr"),
    ):
        pass
