"""The learner's own record: what was predicted, and which checks were passed.

Two files of JSON lines in the state directory, only ever appended to, for nobody but the
learner: ``predictions.jsonl`` and ``progress.jsonl``.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from piotutor.rundir import state_dir

PREDICTIONS = "predictions.jsonl"
PROGRESS = "progress.jsonl"


def append(file: str, **fields: Any) -> None:
    """Append one line to a file of the state directory, with the time in UTC.

    Parameters
    ----------
    file
        `PREDICTIONS` or `PROGRESS`.
    **fields
        What JSON can hold.
    """
    path = state_dir() / file
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    time = datetime.now(timezone.utc).isoformat(timespec="seconds")
    line = json.dumps(fields | {"time": time}) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(line)


def lines(file: str) -> list[dict[str, Any]]:
    """Return what was appended so far, oldest first; a line cut short is passed over."""
    path = Path(state_dir()) / file
    if not path.exists():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            kept.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return kept


def passed(lesson: str) -> set[str]:
    """Names of the lesson's checks that were right at least once."""
    return {
        line["check"]
        for line in lines(PROGRESS)
        if line.get("status") == "right" and str(line.get("check", "")).startswith(f"{lesson}.")
    }
