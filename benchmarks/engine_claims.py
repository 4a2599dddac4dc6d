"""All that the engine is held to, computed anew: the table of ``docs/engine.md``.

``python benchmarks/engine_claims.py``: prints each claim, its source, what is published, what the
engine says and whether that holds. Everything is in virtual time, so the table is the same each
time. Rows that ``docs/engine.md`` doesn't have like that are named, and the exit status is 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from claims import HEAD, archer, clients, cori, devices, locks, queues, targets

DOCS = Path(__file__).parents[1] / "docs/engine.md"


def main() -> int:
    known = DOCS.read_text(encoding="utf-8").splitlines()
    others = []
    print(HEAD)
    for part in (queues, locks, clients, devices, targets, archer, cori):
        for claim in part.rows():
            print(claim.row(), flush=True)
            others += [claim.claim] * (claim.row() not in known)
    for claim in others:
        print(f"{DOCS.name} has another row: {claim}", file=sys.stderr)
    return len(others) > 0


if __name__ == "__main__":
    sys.exit(main())
