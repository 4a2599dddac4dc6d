"""Memory that is handed out to who starts MPI is zero, and so is what lies behind it."""

from __future__ import annotations

import ctypes

import pytest

from piotutor.launch.memory import with_fresh_memory

SIZE = 4096


def test_memory_is_fresh_and_zero_again_after_use():
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        pytest.skip("this C library has no mallopt")
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    used = [libc.malloc(SIZE) for _ in range(200)]
    for place in used:
        ctypes.memset(place, 85, SIZE)
    for place in used[::2]:
        libc.free(place)
    seen = []

    def act():
        first = libc.malloc(300)
        seen.append(ctypes.string_at(first, SIZE))
        again = libc.malloc(SIZE)
        ctypes.memset(again, 85, SIZE)
        libc.free(again)
        seen.append(ctypes.string_at(libc.malloc(SIZE), SIZE))

    with_fresh_memory(act)
    assert 85 not in seen[0]
    assert seen[1] == bytes(SIZE)
