"""What happens below the kernels: the page cache, the device, and who watches them.

Every probe tells the truth about itself: where something can't be seen, it says
``unavailable here: ...`` and why, instead of a zero. Nothing in this package calls what only
Linux has while it is imported.
"""

from __future__ import annotations

from piotutor.capture.device import Counters, Device, Mount, UnavailableError, find_device, mount_of
from piotutor.capture.residency import Residency, evict, residency

__all__ = [
    "Counters",
    "Device",
    "Mount",
    "Residency",
    "UnavailableError",
    "evict",
    "find_device",
    "mount_of",
    "residency",
]
