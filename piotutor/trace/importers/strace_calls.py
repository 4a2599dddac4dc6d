"""What each of strace's calls does with a file: the table from calls to records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from piotutor.trace.importers.strace_files import Files, OpenFile, Process
from piotutor.trace.importers.strace_lines import Call
from piotutor.trace.record import Op

_LENGTH = re.compile(r"iov_len=(\d+)")
_LOCK = re.compile(r"l_type=F_(\w+), l_whence=SEEK_(\w+), l_start=(-?\d+), l_len=(-?\d+)")


class What(NamedTuple):
    """What a record says of a call, apart from when and who."""

    op: Op
    path: str
    offset: int = -1
    length: int = 0
    direct: bool = False


def _of(op: Op, file: OpenFile, offset: int = -1, length: int = 0) -> What:
    return What(op, file.path, offset, length, file.direct)


def whats(files: Files, process: Process, call: Call) -> list[What]:
    """Return what a call did, for the records of it, and follow its descriptors.

    Raises
    ------
    ValueError, LookupError
        Its words are none that strace writes there.
    """
    act = _CALLS.get(call.name)
    found = list(act(files, process, call)) if act and call.result is not None else []
    files.follow(process, call)
    return found


def function_of(name: str) -> str:
    """Return the name of the function that makes a system call: pread of pread64."""
    return "lseek" if name == "_llseek" else name.removesuffix("64")


def _open(files: Files, process: Process, call: Call) -> Iterator[What]:
    relative = call.name.startswith("openat")
    path = files.path(process, call.args[0] if relative else "", call.args[relative])
    flags = call.args[1 + relative] if call.name != "creat" else "O_WRONLY|O_CREAT|O_TRUNC"
    if call.result is not None and call.result >= 0:
        if "O_DIRECTORY" in flags:
            return
        path = files.opened(process, call, path, flags).path
    elif "O_NONBLOCK" in flags and "O_DIRECTORY" in flags:
        return  # opendir's, of the C library
    yield What(Op.OPEN, path, direct="O_DIRECT" in flags.split("|"))


def _transfer(files: Files, process: Process, call: Call) -> Iterator[What]:
    file = files.at(process, call.args[0])
    if file is None:
        return
    op = Op.WRITE if "write" in call.name else Op.READ
    moved = max(call.result or 0, 0)
    at = int(call.args[3]) if call.name.startswith("p") else -1
    if at < 0:
        at = files.advance(file, moved, writing=op == Op.WRITE)
    elif op == Op.WRITE:
        files.wrote(file, at + moved)
    yield _of(op, file, at, _asked(call))


def _asked(call: Call) -> int:
    """Return how many bytes a transfer asked for; what it moved, where the log doesn't say."""
    if "v" not in function_of(call.name):
        return int(call.args[2], 0)
    return sum(map(int, _LENGTH.findall(call.args[1]))) or max(call.result or 0, 0)


def _copy(files: Files, process: Process, call: Call) -> Iterator[What]:
    """Read from one file and write to the other; what is asked for is often just all."""
    sends = call.name.startswith("sendfile")
    args = [call.args[1], call.args[2], call.args[0], "NULL"] if sends else call.args
    moved = max(call.result or 0, 0)
    for op, word, offset in ((Op.READ, args[0], args[1]), (Op.WRITE, args[2], args[3])):
        file = files.at(process, word)
        if file is not None:
            at = _before(offset)
            if at is None:
                at = files.advance(file, moved, writing=op == Op.WRITE)
            yield _of(op, file, at, moved)


def _before(word: str) -> int | None:
    """Return the offset that a call was given by its address: ``[0] => [4096]`` or the like."""
    return None if word == "NULL" else int(re.split(r"[]\s]", word[1:], maxsplit=1)[0])


def _seek(files: Files, process: Process, call: Call) -> Iterator[What]:
    file = files.at(process, call.args[0])
    if file is None:
        return
    result = call.result if call.result is not None else -1
    to = int(call.args[2].strip("[]")) if call.name == "_llseek" and result == 0 else result
    if to >= 0:
        file.position = to
        if call.args[-1] == "SEEK_END" and call.args[1] == "0":
            files.ends[file.path] = to
    yield _of(Op.SEEK, file, to)


def _whole(files: Files, process: Process, call: Call) -> Iterator[What]:
    file = files.at(process, call.args[0])
    if file is None:
        return
    if call.name.startswith("ftruncate"):
        size = int(call.args[1])
        files.ends[file.path] = size
        yield _of(Op.TRUNCATE, file, size)
    elif call.name == "fallocate":
        offset, length = int(call.args[2]), int(call.args[3])
        if call.args[1] == "0":
            files.wrote(file, offset + length)
        yield _of(Op.ALLOCATE, file, offset, length)
    elif call.name == "sync_file_range":
        yield _of(Op.SYNC, file, int(call.args[1]), int(call.args[2]))
    else:
        yield _of(Op.CLOSE if call.name == "close" else Op.SYNC, file)


def _lock(files: Files, process: Process, call: Call) -> Iterator[What]:
    file = files.at(process, call.args[0])
    if file is None or not re.match(r"F_(OFD_)?SETLK|LOCK_", call.args[1]):
        return
    found = _LOCK.search(call.args[-1])
    if found is None:  # flock: the whole file
        yield _of(Op.UNLOCK if "LOCK_UN" in call.args[1] else Op.LOCK, file, 0)
        return
    base = {"SET": 0, "CUR": file.position, "END": files.ends.get(file.path)}[found[2]]
    offset = -1 if base is None else base + int(found[3])
    yield _of(Op.UNLOCK if found[1] == "UNLCK" else Op.LOCK, file, offset, int(found[4]))


def _named(files: Files, process: Process, call: Call) -> Iterator[What]:
    at = call.name.startswith(("unlinkat", "renameat"))
    path = files.path(process, call.args[0] if at else "", call.args[at])
    if call.name.startswith("truncate"):
        yield What(Op.TRUNCATE, path, int(call.args[1]))
    elif call.name.startswith("rename"):
        new = files.path(process, call.args[2] if at else "", call.args[3 if at else 1])
        if call.result == 0:
            files.renamed(path, new)
        yield What(Op.RENAME, path)
    elif call.args[-1] != "AT_REMOVEDIR":
        yield What(Op.REMOVE, path)


_CALLS: dict[str, Callable[[Files, Process, Call], Iterator[What]]] = {
    **dict.fromkeys(("open", "openat", "openat2", "creat"), _open),
    **dict.fromkeys(("read", "write", "readv", "writev"), _transfer),
    **dict.fromkeys(("pread", "pwrite", "pread64", "pwrite64"), _transfer),
    **dict.fromkeys(("preadv", "pwritev", "preadv2", "pwritev2"), _transfer),
    **dict.fromkeys(("copy_file_range", "sendfile", "sendfile64", "splice"), _copy),
    **dict.fromkeys(("lseek", "_llseek"), _seek),
    **dict.fromkeys(("close", "fsync", "fdatasync", "sync_file_range"), _whole),
    **dict.fromkeys(("ftruncate", "ftruncate64", "fallocate"), _whole),
    **dict.fromkeys(("fcntl", "fcntl64", "flock"), _lock),
    **dict.fromkeys(("unlink", "unlinkat", "truncate", "truncate64"), _named),
    **dict.fromkeys(("rename", "renameat", "renameat2"), _named),
}
CALLS = tuple(_CALLS)
"""The calls that make records."""
