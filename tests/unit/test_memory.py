"""Memory that is handed out to who starts MPI is zero, and so is what lies behind it."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# As in a rank: no thread has ended before, whose memory would be taken over.
PROGRAM = """
import ctypes
from piotutor.launch.memory import with_fresh_memory

SIZE, USED = 4096, 85
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
places = [libc.malloc(SIZE) for _ in range(200)]
for place in places:
    ctypes.memset(place, USED, SIZE)
for place in places[::2]:
    libc.free(place)

def act():
    assert USED not in ctypes.string_at(libc.malloc(300), SIZE)
    again = libc.malloc(SIZE)
    ctypes.memset(again, USED, SIZE)
    libc.free(again)
    assert ctypes.string_at(libc.malloc(SIZE), SIZE) == bytes(SIZE)
    print("fresh, and zero again after use")

with_fresh_memory(act)
"""


def test_memory_is_fresh_and_zero_again_after_use():
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library has no mallopt")
    argv = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "fresh, and zero again after use\n", done.stderr
