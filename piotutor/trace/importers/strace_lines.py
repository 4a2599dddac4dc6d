"""strace's log, line by line: when, who, which call with which words, and what came of it.

Every way of writing times is understood (``-t``, ``-tt``, ``-ttt``, ``-r``, none; ``-T`` or not),
process numbers before a line or not (``-f``), a call in two halves (``unfinished``, ``resumed``),
signals and exits, paths of descriptors (``-y``, ``-yy``), instruction pointers, numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_DAY = 86_400 * 10**9
_PID_LIMIT = 1 << 22
_HEAD = re.compile(
    r"(?:\[pid\s+(?P<pid>\d+)\] +|(?P<bare>\d{1,7}) +)?"
    r"(?:(?P<day>\d\d):(?P<minute>\d\d):(?P<second>\d\d(?:\.\d+)?) +|(?P<epoch>\d{8,}(?:\.\d+)?) +"
    r"| *(?P<since>\d+\.\d+) +)?"
    r"(?:\(\+ +\d+\.\d+\) +)?(?:\[[ ?\da-f]+\] +)*"
)
_CALL = re.compile(r"(?P<name>[a-z_]\w*)\(")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>")
_UNFINISHED = re.compile(r"\s*<unfinished \.\.\.>$")
_RESULT = re.compile(
    r"\s*= (?P<value>-?\d+|0x[\da-f]+|\?)(?P<path><(?:->|[^<>]|<[^<>]*>)*>)?"
    r"(?: (?P<error>E[A-Z\d]+))?"
)
_TOOK = re.compile(r"<(\d+\.\d+)>$")
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|<(?:->|[^<>]|<[^<>]*>)*>|/\*.*?\*/|[^"<\[{(\])},/]+|.', re.DOTALL
)
# What most lines hold, found in one go: a descriptor, a text, a length and perhaps an offset.
_USUAL = re.compile(
    r'(\d+(?:<[^<>]*>)?), ("(?:[^"\\]|\\.)*"(?:\.\.\.)?), (\d+)(?:, (-?\d+))?\)', re.DOTALL
)
_OTHER = re.compile(r"strace: |Process \d+ |\+\+\+ |--- | > |$")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[\da-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a"}


class Call(NamedTuple):
    """One system call.

    Attributes
    ----------
    pid
        Process (or thread) that made it; 0 where the log doesn't say.
    start
        When, in ns: since 1970, since midnight, or since the first line, as the log has it; the
        number of the line in microseconds where it has no times.
    took
        How long, in ns; -1 where the log doesn't say.
    name
        Of the call.
    args
        Its words as they stand in the log.
    result
        What it returned; None if that was never seen.
    path
        Path of the descriptor that it returned, as written; empty without ``-y``.
    error
        Name of the error (``ENOENT``), where there was one.
    """

    pid: int
    start: int
    took: int
    name: str
    args: list[str]
    result: int | None
    path: str
    error: str = ""


class Reader:
    """Reads the lines of one log; counts those that make no sense.

    Attributes
    ----------
    understood, strange
        Lines that were, and weren't, those of a log.
    first_strange
        Number of the first one that wasn't, from 1; 0 without any.
    timed
        Whether the lines tell the time.
    """

    def __init__(self) -> None:
        self.understood = self.strange = self.first_strange = 0
        self.timed = False
        self._clock = 0
        self._begun: dict[int, tuple[int, str]] = {}

    def calls(self, lines: Iterable[str]) -> Iterator[Call]:
        """Yield the calls in the order in which they end."""
        for number, line in enumerate(lines, 1):
            head = _HEAD.match(line)
            assert head is not None  # it may match nothing
            pid = int(head["pid"] or head["bare"] or 0)
            text = line[head.end() :].rstrip("\n")
            if not (_CALL.match(text) or _RESUMED.match(text) or _OTHER.match(text)):
                self.strange += 1
                self.first_strange = self.first_strange or number
                continue
            self.understood += 1
            call = self._read(pid, self._when(head, number), text)
            if call is not None:
                yield call

    def _when(self, head: re.Match[str], number: int) -> int:
        """Return the time of a line in ns."""
        if head["day"]:
            today = (int(head["day"]) * 60 + int(head["minute"])) * 60 * 10**9
            today += nanoseconds(head["second"])
            days = self._clock // _DAY
            late = today < self._clock % _DAY - _DAY // 2  # past midnight
            self._clock = (days + late) * _DAY + today
        elif head["epoch"]:
            self._clock = nanoseconds(head["epoch"])
        elif head["since"]:
            self._clock += nanoseconds(head["since"])
        else:
            self._clock = number * 1000
            return self._clock
        self.timed = True
        return self._clock

    def _read(self, pid: int, when: int, text: str) -> Call | None:
        """Read a line; a half of a call is kept until the other one comes."""
        resumed = _RESUMED.match(text)
        if resumed:
            when, first = self._begun.pop(pid, (when, f"{resumed['name']}("))
            text = first + text[resumed.end() :]
        cut = _UNFINISHED.search(text)
        if cut:
            self._begun[pid] = when, text[: cut.start()]
            return None
        return parse_call(pid, when, text)


def parse_call(pid: int, when: int, text: str) -> Call | None:
    """Read a whole call; None if it is none, or not whole."""
    head = _CALL.match(text)
    if head is None:
        return None
    args, end = split(text, head.end())
    result = _RESULT.match(text, end)
    if result is None:
        return None
    took = _TOOK.search(text, result.end("value"))
    value = result["value"]
    return Call(
        pid,
        when,
        nanoseconds(took[1]) if took else -1,
        head["name"],
        args,
        None if value == "?" else int(value, 0),
        (result["path"] or "")[1:-1],
        result["error"] or "",
    )


def split(text: str, at: int) -> tuple[list[str], int]:
    """Split words at their commas, from a position up to the bracket that closes them.

    Returns
    -------
    tuple of list and int
        The words, and the position behind the bracket.
    """
    usual = _USUAL.match(text, at)
    if usual:
        return [word for word in usual.groups() if word is not None], usual.end()
    words: list[str] = []
    start, depth = at, 0
    for token in _TOKEN.finditer(text, at):
        mark = token[0]
        if mark in "[{(":
            depth += 1
        elif mark in ")}]" and depth:
            depth -= 1
        elif mark == ")" or (mark == "," and not depth):
            word = text[start : token.start()].strip()
            if word or mark == "," or words:
                words.append(word)
            start = token.end()
            if mark == ")":
                return words, start
    return words, len(text)


def text_of(word: str) -> str:
    """Return the text that a quoted word, or a descriptor's path, stands for."""
    word = word.removesuffix("...")
    if word.startswith('"'):
        word = word[1:-1]
    raw = _ESCAPE.sub(_unescape, word.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code[:1].isdigit():
        return bytes([int(code, 8) & 255])
    if code[:1] == b"x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    return _ESCAPED.get(code, code)


def nanoseconds(seconds: str) -> int:
    """Turn decimal seconds into ns, exactly."""
    whole, _, part = seconds.partition(".")
    return int(whole) * 10**9 + int(f"{part:0<9}"[:9])
