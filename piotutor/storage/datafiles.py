"""A run's data files: made apart, handed over at the end, and never over someone else's.

Ranks write into a private directory, made by the run beside where the files will be (so on the
same file system, with the layout that new files get there). With ``-k`` the files are moved to
their names when all went well; else the directory is removed. A new name is reserved at the start
by an empty file, created exclusively. So nothing of the user's is ever opened for writing, and
what a broken run leaves behind is known to be ours.

A file that is handed over is marked, in an extended attribute or, where there are none, in the
user's state directory. The mark holds its inode, size and time: whoever changes the file owns it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from piotutor.errors import UsageError

ATTRIBUTE = "user.piotutor"
RESERVED = "reserved"
"""Directory, in the private one, of the empty files that stand at the files' names."""

_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)


@dataclass(frozen=True)
class Handover:
    """A file of the run, and the name that it gets in the end.

    Attributes
    ----------
    made, name
        Paths in the private directory and at the end.
    inode
        Of the reservation, or of our own older file that will be replaced.
    reserved
        Whether the name is new: then the reservation goes away with a failed run.
    """

    made: str
    name: str
    inode: int
    reserved: bool


@dataclass(frozen=True)
class DataFiles:
    """Where a run's data lies; plain values, so that the guard can read it from a file.

    Attributes
    ----------
    files
        What the ranks open, in the order of the pattern's file index.
    private
        The directory that the run made for itself; None where it only reads others' files.
    handovers
        Files that are moved when the run is over.
    keep
        Whether the files stay (``-k``).
    run
        The run's name, with which kept files are marked.
    registry
        Directory of marks, where the file system keeps none.
    """

    files: tuple[str, ...]
    private: str | None = None
    handovers: tuple[Handover, ...] = ()
    keep: bool = False
    run: str = ""
    registry: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> DataFiles:
        """Read it back."""
        handovers = tuple(Handover(**entry) for entry in stored["handovers"])
        return cls(**(stored | {"files": tuple(stored["files"]), "handovers": handovers}))

    def release(self, done: bool) -> None:
        """Hand the files over, or remove them; calling it again does no harm.

        Parameters
        ----------
        done : bool
            Whether the run went well; the files of one that didn't are removed.
        """
        for handover in self.handovers:
            if done and self.keep:
                self._hand_over(handover)
            elif handover.reserved and _inode(handover.name) == handover.inode:
                Path(handover.name).unlink(missing_ok=True)
        if self.private and not (done and self.keep and not self.handovers):
            shutil.rmtree(self.private, ignore_errors=True)

    def _hand_over(self, handover: Handover) -> None:
        """Move a file over its reservation, if that is still there and still ours."""
        if Path(handover.made).exists() and _inode(handover.name) == handover.inode:
            Path(handover.made).replace(handover.name)
            mark(Path(handover.name), Path(self.registry), self.run)


def in_scratch(directory: Path, count: int, *, keep: bool) -> DataFiles:
    """Make a new private directory for the files of a run that names none.

    Raises
    ------
    UsageError
        The directory can't be made.
    """
    _make_private(directory)
    files = tuple(str(directory / _name("data", index, count)) for index in range(count))
    return DataFiles(files=files, private=str(directory), keep=keep)


def private_of(path: Path, run: str) -> Path:
    """Return the directory that a run makes beside a file that it was told to write."""
    return path.with_name(f".piotutor-{run}")


def reserve(path: Path, count: int, *, keep: bool, run: str, registry: Path) -> DataFiles:
    """Reserve the names of a run's new files; or accept existing ones that piotutor made.

    Parameters
    ----------
    path : path
        The file, or the stem of the files where there are more than one (IOR's names).
    count : int
        How many files.
    keep : bool
        Whether they stay after the run.
    run : str
        The run's name, with which kept files will be marked.
    registry : path
        Directory of marks.

    Raises
    ------
    UsageError
        A name is taken, or nothing can be written there.
    """
    names = [path.with_name(_name(path.name, index, count)) for index in range(count)]
    for name in names:
        _check_target(name, registry)
    private = private_of(path, run)
    _make_private(private)
    (private / RESERVED).mkdir()
    plan = DataFiles(
        files=tuple(str(private / name.name) for name in names),
        private=str(private),
        keep=keep,
        run=run,
        registry=str(registry),
    )
    handovers: list[Handover] = []
    try:
        for made, name in zip(plan.files, names, strict=True):
            handovers.append(_reserve(made, name, registry))
    except UsageError:
        DataFiles(plan.files, plan.private, tuple(handovers)).release(done=False)
        raise
    return DataFiles(**(vars(plan) | {"handovers": tuple(handovers)}))


def abandon(private: Path) -> None:
    """Remove the private directory of a run that died before it began, and its reservations."""
    for empty in (private / RESERVED).glob("*"):
        name = private.parent / empty.name
        if _inode(str(name)) == _inode(str(empty)):
            name.unlink(missing_ok=True)
    shutil.rmtree(private, ignore_errors=True)


def existing(path: Path, sizes: Sequence[int]) -> DataFiles:
    """Accept existing files for reading; they stay whatever happens.

    Parameters
    ----------
    path : path
        The file, or the stem of several.
    sizes : sequence of int
        How long each must be.

    Raises
    ------
    UsageError
        A file is missing, is no file, is too short or may not be read.
    """
    names = [path.with_name(_name(path.name, i, len(sizes))) for i in range(len(sizes))]
    for name, size in zip(names, sizes, strict=True):
        _check_source(name, size)
    return DataFiles(tuple(map(str, names)), keep=True)


def mark(path: Path, registry: Path, run: str) -> None:
    """Note that a file, as it is now, was made by a run of ours."""
    note = json.dumps({"run": run, **_state(path)})
    try:
        os.setxattr(path, ATTRIBUTE, note.encode())
    except (AttributeError, OSError):  # macOS, or a file system without attributes
        with contextlib.suppress(OSError):  # unmarked, so never written over: safe
            registry.mkdir(mode=0o700, parents=True, exist_ok=True)
            _entry(registry, path).write_text(note)


def owned(path: Path, registry: Path) -> str | None:
    """Return the run that made a file; None if none did, or it was changed since."""
    try:
        note = os.getxattr(path, ATTRIBUTE).decode()
    except (AttributeError, OSError):
        try:
            note = _entry(registry, path).read_text()
        except OSError:
            return None
    try:
        about = json.loads(note)
        return str(about["run"]) if about.items() >= _state(path).items() else None
    except (ValueError, KeyError, AttributeError, OSError):
        return None


def _check_target(name: Path, registry: Path) -> None:
    """Refuse a name that can't be a new file, nor is one of ours."""
    try:
        found = name.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{name} can't be written: {error.strerror}") from None
    what = _not_a_file(found)
    if what:
        raise UsageError(f"{name} is {what}: give the name of a new file (-o)")
    if found.st_uid != os.geteuid():
        raise UsageError(f"{name} belongs to another user: give the name of a new file (-o)")
    if owned(name, registry) is None:
        raise UsageError(
            f"{name} exists and was not made by piotutor: it may be read (-r), never written; "
            "give the name of a new file (-o)"
        )


def _check_source(name: Path, size: int) -> None:
    try:
        found = name.stat()
        what = _not_a_file(found)
        if not what:
            name.open("rb").close()
    except OSError as error:
        raise UsageError(
            f"{name} can't be read: {error.strerror} (write it first: -w -k -o {name})"
        ) from None
    if what:
        raise UsageError(f"{name} is {what}: give the name of a file (-o)")
    if found.st_size < size:
        raise UsageError(f"{name} holds {found.st_size:,} bytes, the reads need {size:,}")


def _not_a_file(found: os.stat_result) -> str:
    if stat.S_ISDIR(found.st_mode):
        return "a directory"
    if stat.S_ISLNK(found.st_mode):
        return "a link"
    return "" if stat.S_ISREG(found.st_mode) else "a device or a pipe"


def _reserve(made: str, name: Path, registry: Path) -> Handover:
    """Put an empty file at a new name, exclusively; or find one of ours to replace in the end.

    It is a link to one in the private directory, where there are links: then it is known to be
    ours even if we die before noting it.
    """
    if owned(name, registry) is not None:
        return Handover(made, str(name), _inode(str(name)), reserved=False)
    empty = Path(made).parent / RESERVED / name.name
    try:
        empty.touch(exist_ok=False)
        try:
            os.link(empty, name)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            name.touch(exist_ok=False)
    except OSError as error:
        raise UsageError(f"{name} can't be made: {error.strerror}") from None
    return Handover(made, str(name), _inode(str(name)), reserved=True)


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(
            f"{directory.parent} can't hold the files: {error.strerror} "
            "(choose another place with -o)"
        ) from None


def _name(stem: str, index: int, count: int) -> str:
    """Name a file as IOR does: the stem, with the rank in eight digits for one file each."""
    return stem if count == 1 else f"{stem}.{index:08d}"


def _inode(name: str) -> int:
    try:
        return os.lstat(name).st_ino
    except OSError:
        return -1


def _state(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"inode": found.st_ino, "size": found.st_size, "mtime_ns": found.st_mtime_ns}


def _entry(registry: Path, path: Path) -> Path:
    return registry / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()}.json"
