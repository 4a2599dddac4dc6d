"""Run directories: where they are, what lies in them, and which may go.

    runs/<utc>-<api>-<random>/   job.json guard.json environment.json state.json output.txt
                                 worker.json trace/ error-*.json guard-result.json result.json
                                 storage*.json map.json striping.json, where a storage tells
    scratch/<run>/               data files of runs that name none
    owned/                       marks of data files, where the file system keeps none
    queue/                       places for ranks

A run directory's ``lock`` is held by whoever still works on it, so it can be told from one whose
guard was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from piotutor.errors import PiotutorError, UsageError
from piotutor.launch import cleaning
from piotutor.launch.orders import Orders
from piotutor.storage import datafiles

KEEP = 1 << 30
"""Bytes of run directories above which the oldest are removed."""
YOUNG = 60.0
"""Seconds in which a run directory may still be without a lock: it is being made."""


def state_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's state directory, private, made if need be.

    Raises
    ------
    UsageError
        It can't be made or written.
    """
    named = environment.get("PIOTUTOR_STATE")
    base = environment.get("XDG_STATE_HOME") or "~/.local/state"
    path = Path(named or Path(base) / "piotutor").expanduser().absolute()
    try:
        (path / "runs").mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise UsageError(
            f"{path} can't hold piotutor's state: {error.strerror} "
            "(name another directory in PIOTUTOR_STATE)"
        ) from None
    return path


@contextmanager
def new(state: Path, api: str) -> Iterator[tuple[Path, int | None]]:
    """Make a run directory, for this user only, and hold its lock meanwhile.

    It goes away again if an error is raised inside.

    Yields
    ------
    path, int or None
        The directory, and the lock's descriptor, for the guard to inherit.

    Raises
    ------
    UsageError
        It can't be made.
    """
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = state / "runs" / f"{now}-{api.lower()}-{secrets.token_hex(3)}"
    handle = None
    try:
        path.mkdir(mode=0o700)
        (path / "trace").mkdir(mode=0o700)
        handle = lock(path)
        yield path, handle
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise UsageError(
                f"{path.parent} can't hold a run: {error.strerror} "
                "(name another directory in PIOTUTOR_STATE)"
            ) from None
        raise
    finally:
        if handle is not None:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write a small file whole."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1))
    part.replace(path)


def read_json(path: Path, default: Any = None) -> Any:
    """Read a JSON object.

    Parameters
    ----------
    path : path
        The file.
    default : optional
        What to return if the file isn't there; without it that is an error.

    Raises
    ------
    PiotutorError
        The file is damaged, or missing and there is no default.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        if default is None:
            raise PiotutorError(f"{path} is missing: no run of piotutor, or not whole") from None
        return default
    except (OSError, ValueError) as error:
        raise PiotutorError(f"{path} can't be read: {error}") from None
    if not isinstance(value, dict):
        raise PiotutorError(f"{path} is damaged: it holds no table of names and values")
    return value


def read_lenient(path: Path) -> dict[str, Any]:
    """Read a JSON object that a process left; one that was killed may have left none, or half."""
    try:
        return dict(read_json(path, default={}))
    except PiotutorError:
        return {}


def lock(run: Path) -> int | None:
    """Take a run directory for oneself; None if someone is at work on it.

    Returns
    -------
    int or None
        A descriptor, to be handed on to the guard and closed.
    """
    try:
        handle = os.open(run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # taken; or no locks on this file system, where nobody may tidy up
        os.close(handle)
        return None
    return handle


def sweep(state: Path) -> list[Path]:
    """Clean up after runs whose guard was killed on this host, or who never got one.

    Returns
    -------
    list of path
        The run directories that were left behind.
    """
    return [run for run in _runs(state) if _abandoned(run) and _alone_with(run, _clean)]


def prune(state: Path, keep: int = KEEP) -> list[Path]:
    """Remove the oldest run directories, with their scratch, until the rest fits into ``keep``.

    Runs that someone is at work on stay.
    """
    removed = []
    runs = sorted(_runs(state))
    sizes = {run: _size(run) + _size(state / "scratch" / run.name) for run in runs}
    total = sum(sizes.values())
    for run in runs:
        if total <= keep:
            break
        handle = lock(run)
        if handle is not None:
            shutil.rmtree(state / "scratch" / run.name, ignore_errors=True)
            shutil.rmtree(run, ignore_errors=True)
            os.close(handle)
            total -= sizes[run]
            removed.append(run)
    return removed


def note_place(run: Path, private: Path) -> None:
    """Note which directory a run is about to make for its data, should it die at once."""
    (run / "place").write_text(str(private))


def _abandoned(run: Path) -> bool:
    """Say whether nobody seems to work on a run that hasn't ended."""
    if (run / "guard-result.json").exists():
        return False
    return (run / "guard.json").exists() or time.time() - run.stat().st_mtime > YOUNG


def _alone_with(run: Path, act: Callable[[Path], bool]) -> bool:
    """Do something with a run if it is really nobody's any more."""
    handle = lock(run)
    if handle is None:
        return False
    try:
        return act(run)
    except (OSError, ValueError, TypeError):
        return False
    finally:
        os.close(handle)


def _clean(run: Path) -> bool:
    """End and remove what is left of a run; one that never began goes altogether."""
    if not (run / "guard.json").exists():
        private = Path((run / "place").read_text() if (run / "place").exists() else run.name)
        if private.is_absolute() and private.name in (run.name, f".piotutor-{run.name}"):
            datafiles.abandon(private)
        shutil.rmtree(run, ignore_errors=True)
        return True
    orders = Orders.read(run / "guard.json")
    if orders.host != socket.gethostname() or Path(orders.run_dir) != run:
        return False
    left = cleaning.clean(orders)
    result = {"status": "failed", "code": None, "reason": "its guard was killed"}
    write_json(run / "guard-result.json", {**result, "seconds": 0.0, "left": left})
    return True


def _runs(state: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from (path for path in (state / "runs").iterdir() if path.is_dir())


def _size(directory: Path) -> int:
    """Return the bytes that a directory takes on its disk."""
    total = 0
    for path in directory.rglob("*"):
        with suppress(OSError):
            state = path.lstat()
            total += 0 if stat.S_ISDIR(state.st_mode) else state.st_blocks * 512
    return total
