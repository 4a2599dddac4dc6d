"""GPFS (IBM Storage Scale): blocks of one size, laid over all disks of a pool in turn.

Formats: IBM Storage Scale, Command and Programming Reference: ``mmlsattr -L`` (lines of
``name: value``) and ``mmlsfs DEVICE -B`` (a table ``flag value description``, or with ``-Y``
lines of fields between colons). Neither says on which disks a file's blocks are.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from piotutor.capture.device import mount_of
from piotutor.storage.striping import ALL, Component, LayoutError, Striping, whole
from piotutor.storage.tool import ask

_PAIR = re.compile(r"^([a-z][A-Za-z ]*?):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_COPIES = re.compile(r"(\d+) max (\d+)")
_BLOCK = re.compile(r"^\s*-B\s+(\d+)\s", re.MULTILINE)


def striping(path: Path) -> Striping:
    """Ask how a file, or a directory's new files, are laid out.

    Raises
    ------
    LayoutError
        A tool of GPFS is missing, fails, or says what can't be read.
    """
    told = parse_attributes(ask(("mmlsattr", "-L", str(path))))
    device = mount_of(path).source
    return blocks(told, parse_block_size(ask(("mmlsfs", device, "-B", "-Y"))))


def blocks(told: dict[str, str], block_size: int) -> Striping:
    """Put together what `parse_attributes` and `parse_block_size` return.

    Raises
    ------
    LayoutError
        The number of copies isn't told.
    """
    copies = _COPIES.fullmatch(told.get("data replication", ""))
    if copies is None:
        raise LayoutError(f"mmlsattr: data replication is {told.get('data replication', '')!r}")
    part = Component(stripe_size=block_size, stripe_count=ALL, pool=told["storage pool name"])
    note = f"fileset {told['fileset name']}" if told.get("fileset name") else ""
    return Striping("gpfs", (part,), whole(copies[1], "data replication", "mmlsattr"), note)


def parse_attributes(text: str) -> dict[str, str]:
    """Read what ``mmlsattr -L`` prints of one file: names and values as printed.

    Raises
    ------
    LayoutError
        The storage pool isn't among them.
    """
    told = dict(_PAIR.findall(text))
    if not told.get("storage pool name"):
        raise LayoutError(f"mmlsattr: no storage pool in its answer: {text.strip()[:80]!r}")
    return told


def parse_block_size(text: str) -> int:
    """Read the size of a block, in bytes, from what ``mmlsfs -B`` prints, with ``-Y`` or without.

    Raises
    ------
    LayoutError
        It isn't told.
    """
    table = _BLOCK.search(text)
    size = table[1] if table else _field(text, "blockSize")
    number = whole(size, "the size of a block", "mmlsfs") if size else 0
    if number <= 0:
        raise LayoutError(f"mmlsfs: no size of a block in its answer: {text.strip()[:80]!r}")
    return number


def _field(text: str, name: str) -> str:
    """Find a value in lines whose fields stand between colons, named by a line HEADER."""
    header: list[str] = []
    for line in text.splitlines():
        fields = line.split(":")
        if "HEADER" in fields:
            header = fields
            continue
        row = dict(zip(header, fields, strict=False))
        if row.get("fieldName") == name:
            return unquote(row.get("data", ""))
    return ""
