"""Memory that is handed out is zeroed for as long as it is asked for."""

from __future__ import annotations

import ctypes

import pytest

from piotutor.launch.memory import zeroed

SIZE = 4096


def test_memory_is_zeroed_meanwhile():
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        pytest.skip("this C library has no mallopt")
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    used = libc.malloc(SIZE)
    ctypes.memset(used, 85, SIZE)
    libc.free(used)
    with zeroed():
        again = libc.malloc(SIZE)
        assert ctypes.string_at(again, SIZE) == bytes(SIZE)
        libc.free(again)
