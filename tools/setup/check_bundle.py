"""Is this bundle whole, and does it fit this Python and machine? Usage: check_bundle.py DIR."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path


def problem(bundle: Path) -> str | None:
    """Return what keeps the bundle from being used here, in one line."""
    here = f"{sys.version_info.major}.{sys.version_info.minor} {platform.machine()}"
    try:
        made_for = (bundle / "python").read_text().strip()
        sums = (bundle / "SHA256SUMS").read_text().splitlines()
    except OSError as error:
        return f"{error.filename} can't be read: is {bundle} an unpacked bundle?"
    if made_for != here:
        return f"the bundle is for Python {made_for}, this is {here}: name another with PYTHON="
    for line in sums:
        digest, name = line.split("  ", 1)
        path = bundle / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return f"{path} is damaged or missing: copy the bundle again"
    return None


if __name__ == "__main__":
    sys.exit(problem(Path(sys.argv[1])))
