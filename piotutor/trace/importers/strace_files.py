"""Following descriptors through strace's calls: whose file, where in it, with which flags.

A call says a descriptor; an offset that it doesn't say follows from the calls before it: opens,
seeks, transfers, duplicates, ``O_APPEND``, forks (parent and child share a position) and threads
(they share all descriptors). What doesn't follow is -1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePath

from piotutor.trace.importers.strace_lines import Call, text_of
from piotutor.trace.interest import plain

_RANK = re.compile(r'"(?:PMI_RANK|PMIX_RANK|OMPI_COMM_WORLD_RANK|SLURM_PROCID)=(\d+)"')
LAUNCHERS = {
    *("mpiexec", "mpirun", "mpiexec.hydra", "hydra_pmi_proxy", "hydra_bstrap_proxy"),
    *("prterun", "prte", "prted", "orterun", "orted", "srun", "slurmstepd"),
}
"""Programs that start ranks; what they do with files is nobody's I/O."""


@dataclass(eq=False)
class OpenFile:
    """What an open made: one position, however many descriptors and processes share it.

    Attributes
    ----------
    path
        Its name, as it was opened.
    shown
        Its name as the log (``-y``) showed it last; empty without.
    position
        Where the next read or write begins; None if unknown.
    append, direct
        ``O_APPEND``, ``O_DIRECT``.
    """

    path: str
    shown: str
    position: int | None
    append: bool = False
    direct: bool = False


@dataclass(eq=False)
class Process:
    """A process, or a thread of one: then `files` is that of its process.

    Attributes
    ----------
    rank
        In its job; -1 if unknown.
    thread
        Its number within the process.
    launcher
        Whether it only starts others.
    root
        The process that ran this program, and forked this one; 0 for itself.
    """

    rank: int = -1
    thread: int = 0
    launcher: bool = False
    root: int = 0
    directory: str = ""
    files: dict[int, OpenFile] = field(default_factory=dict)
    closing: set[int] = field(default_factory=set)  # descriptors that an exec closes
    threads: list[int] = field(default_factory=lambda: [1])  # how many, shared by all of them


class Files:
    """All processes of a log, their descriptors, and how long their files are.

    Parameters
    ----------
    adopt
        Whether a descriptor counts whose program didn't open it, as far as the log shows.
    """

    def __init__(self, *, adopt: bool) -> None:
        self.processes: dict[int, Process] = {}
        self.ends: dict[str, int] = {}
        self._adopt = adopt
        self._writers: dict[str, set[int]] = {}
        self._renamed: dict[str, str] = {}

    def process(self, pid: int) -> Process:
        """Return a process; a new one if it hasn't been met."""
        return self.processes.setdefault(pid, Process())

    def follow(self, process: Process, call: Call) -> None:
        """Take note of a call that makes, changes or ends processes and descriptors."""
        act = _FOLLOWED.get(call.name)
        if act is not None and call.result is not None and call.result >= 0:
            act(self, process, call)

    def at(self, process: Process, word: str) -> OpenFile | None:
        """Return the file that a descriptor, as the log writes it, stands for."""
        number, _, shown = word.partition("<")
        if not number.isdigit():
            return None
        file, path = process.files.get(int(number)), _shown(shown)
        if shown and not (file and self._is(file, path)):
            file = OpenFile(path, path, None) if self._adopt and path.startswith("/") else None
            if file is not None:
                process.files[int(number)] = file
        return file

    def path(self, process: Process, directory: str, word: str) -> str:
        """Return the absolute path of a name, or the name itself where that can't be told."""
        if directory.startswith("AT_FDCWD<"):
            process.directory = _shown(directory.partition("<")[2])
        base = process.directory
        if directory and not directory.startswith("AT_FDCWD"):
            file = process.files.get(int(directory.partition("<")[0] or -1))
            base = _shown(directory.partition("<")[2]) or (file.path if file else "")
        name = str(PurePath(base, text_of(word)))
        return plain(name) if name.startswith("/") else name

    def opened(self, process: Process, call: Call, path: str, flags: str) -> OpenFile:
        """Note a new descriptor, and return what it stands for."""
        assert call.result is not None
        shown = text_of(call.path)
        path = path if path.startswith("/") else shown or path
        file = OpenFile(path, shown, 0, "O_APPEND" in flags, "O_DIRECT" in flags.split("|"))
        process.files[call.result] = file
        (process.closing.add if "O_CLOEXEC" in flags else process.closing.discard)(call.result)
        if "O_RDONLY" not in flags:
            self._writers.setdefault(path, set()).add(call.pid)
        if "O_TRUNC" in flags or "O_EXCL" in flags or call.name == "creat":
            self.ends[path] = 0
        return file

    def advance(self, file: OpenFile, moved: int, *, writing: bool) -> int:
        """Return where a transfer of `moved` bytes at the position began, and move that on."""
        if writing and file.append:
            alone = len(self._writers.get(file.path, ())) <= 1
            file.position = self.ends.get(file.path) if alone else None
        if file.position is None:
            return -1
        began = file.position
        file.position += max(moved, 0)
        if writing:
            self.wrote(file, file.position)
        return began

    def wrote(self, file: OpenFile, end: int) -> None:
        """Note how far a file reaches at least, if its length is known."""
        if file.path in self.ends:
            self.ends[file.path] = max(self.ends[file.path], end)

    def renamed(self, old: str, new: str) -> None:
        """Note a new name: the log shows it from now on."""
        self._renamed[old] = new
        if old in self.ends:
            self.ends[new] = self.ends.pop(old)

    def _is(self, file: OpenFile, path: str) -> bool:
        """Say whether a descriptor that shows a path is still the file that was opened."""
        if not file.shown:
            file.shown = path
        if file.shown != path and self._renamed.get(file.shown) == path:
            file.shown = path
        return file.shown in (path, path.removesuffix(" (deleted)"))

    def _close(self, process: Process, call: Call) -> None:
        process.files.pop(int(call.args[0].partition("<")[0]), None)

    def _duplicate(self, process: Process, call: Call) -> None:
        file = self.at(process, call.args[0])
        assert call.result is not None
        if call.name.startswith("fcntl") and not call.args[1].startswith("F_DUPFD"):
            if call.args[1] == "F_SETFL" and file:
                file.append = "O_APPEND" in call.args[2]
                file.direct = "O_DIRECT" in call.args[2].split("|")
            return
        process.files.pop(call.result, None)
        kept = call.name in ("dup", "dup2") or call.args[-1] == "0"
        (process.closing.discard if kept else process.closing.add)(call.result)
        if file:
            process.files[call.result] = file

    def _clone(self, process: Process, call: Call) -> None:
        assert call.result is not None
        words = " ".join(call.args)
        child = self.process(call.result)
        child.rank = process.rank if child.rank < 0 else child.rank
        child.launcher, child.directory = process.launcher, process.directory
        child.root = process.root or call.pid
        if "CLONE_FILES" in words:
            child.files, child.closing = process.files, process.closing
        else:
            child.files, child.closing = process.files | child.files, set(process.closing)
        if "CLONE_THREAD" in words:
            child.threads, child.thread = process.threads, process.threads[0]
            process.threads[0] += 1

    def _execute(self, process: Process, call: Call) -> None:
        name = text_of(call.args[0]).rpartition("/")[2]
        found = _RANK.search(" ".join(call.args[2:]))
        process.rank = int(found[1]) if found else process.rank
        process.launcher, process.root = name in LAUNCHERS, 0
        left = process.files if self._adopt else {}
        process.files = {n: file for n, file in left.items() if n not in process.closing}
        process.closing, process.threads, process.thread = set(), [1], 0

    def _move(self, process: Process, call: Call) -> None:
        fixed = call.args[0].partition("<")[2]
        process.directory = _shown(fixed) if fixed else self.path(process, "", call.args[0])


_FOLLOWED: dict[str, Callable[[Files, Process, Call], None]] = {
    **dict.fromkeys(("dup", "dup2", "dup3", "fcntl", "fcntl64"), Files._duplicate),
    **dict.fromkeys(("clone", "clone3", "fork", "vfork"), Files._clone),
    **dict.fromkeys(("chdir", "fchdir"), Files._move),
    "close": Files._close,
    "execve": Files._execute,
}
FOLLOWED = tuple(_FOLLOWED)
"""The calls that `Files.follow` must be told of."""


@lru_cache(maxsize=4096)
def _shown(text: str) -> str:
    """Return the path that ``-y`` shows in angle brackets, the first of which is gone."""
    return text_of(text.partition(">")[0])
