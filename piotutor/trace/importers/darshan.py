"""Darshan's logs, through pydarshan (the extra ``darshan``).

The traced reads and writes (DXT) become records; what Darshan only counts becomes the numbers of
the result. pydarshan's C library crashes on some damaged logs, so another process reads them:
`piotutor.trace.importers.darshan_log`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from piotutor.errors import UsageError
from piotutor.trace.reader import Trace
from piotutor.trace.record import TraceError

_MAGIC = (6567223).to_bytes(8, "little")
_COMPLAINT = "Error: "
"""How its C library begins a line on standard error."""
_LONG = 600.0
"""Seconds after which reading a log is given up."""


def sniff(path: Path) -> bool:
    """Say whether this looks like a log of Darshan."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(16)
    return head[8:] in (_MAGIC, _MAGIC[::-1])


def load(path: Path) -> Trace:
    """Read a log.

    Raises
    ------
    UsageError
        pydarshan isn't installed.
    TraceError
        It is no log of Darshan, or damaged, or of a version that this pydarshan doesn't read.
    """
    if importlib.util.find_spec("darshan") is None:
        raise UsageError("logs of Darshan need pydarshan: pip install 'piotutor[darshan]'")
    if not sniff(path):
        raise TraceError(f"{path}: is no log of Darshan")
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "log.piot"
        said = _convert(path, made)
        trace = Trace.load(made)
    if said:
        trace.meta.setdefault("damage", []).append(f"{path}: {said[0]}")
    return trace


def _convert(path: Path, made: Path) -> list[str]:
    """Let another process read the log; return what its C library complained of.

    Raises
    ------
    TraceError
        It couldn't.
    """
    argv = [sys.executable, "-m", "piotutor.trace.importers.darshan_log", str(path), str(made)]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_LONG, check=False)
    except subprocess.TimeoutExpired:
        raise TraceError(f"{path}: is damaged: pydarshan comes to no end with it") from None
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [""]
    complaints = [line.removeprefix(_COMPLAINT) for line in lines if line.startswith(_COMPLAINT)]
    if done.returncode < 0:
        raise TraceError(f"{path}: is damaged: pydarshan broke down on it")
    if done.returncode:
        raise TraceError(f"{path}: {_reason(lines, complaints)}")
    return complaints


def _reason(lines: list[str], complaints: list[str]) -> str:
    """Say why a log couldn't be read: the reader's last words, unless they were a follow-up."""
    if any(line.startswith("Traceback") for line in lines):
        return f"is damaged, or not as this pydarshan expects it: {(complaints or lines)[-1]}"
    if complaints and not lines[-1].startswith("is damaged"):
        return f"is damaged: {complaints[0]}"
    return lines[-1]
