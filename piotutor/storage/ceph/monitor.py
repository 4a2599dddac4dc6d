"""Commands to Ceph's monitor through librados: what the tool ``ceph`` would do."""

from __future__ import annotations

import ctypes
import json
import os
import time
from ctypes import byref, c_char_p, c_size_t, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from piotutor.errors import PiotutorError

PATIENCE = 10.0
"""Seconds in which a monitor that has just begun may refuse (EPERM: it says "wrong fsid")."""
PAUSE = 0.02


class CephError(PiotutorError):
    """Ceph refused, or can't be reached; the line says what it said."""


def load(library: str) -> ctypes.CDLL:
    """Load one of Ceph's libraries.

    Raises
    ------
    CephError
        It can't be loaded; the line says why.
    """
    try:
        return ctypes.CDLL(library)
    except OSError as error:
        raise CephError(f"Ceph: {error}") from None


class Monitor:
    """A connection to the monitor.

    Parameters
    ----------
    library : str
        librados, as the loader finds it.
    config : path
        ``ceph.conf``.

    Raises
    ------
    CephError
        There is no connection within the settings' time.
    """

    def __init__(self, library: str, config: Path) -> None:
        self._rados = load(library)
        self._cluster = c_void_p()
        self._do("rados_create2", byref(self._cluster), b"ceph", b"client.admin", c_uint64(0))
        self._do("rados_conf_read_file", self._cluster, os.fsencode(config))
        try:
            self._do("rados_connect", self._cluster)
        except CephError:
            self._rados.rados_shutdown(self._cluster)
            raise

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._cluster:
            self._rados.rados_shutdown(self._cluster)
            self._cluster = c_void_p()

    def ask(self, prefix: str, **arguments: Any) -> Any:
        """Give a command; return what it answers, read from JSON.

        Parameters
        ----------
        prefix : str
            The command, such as ``osd pool create``.
        **arguments
            Its arguments, by the names in Ceph's ``MonCommands.h``.

        Raises
        ------
        CephError
            It is refused.
        """
        words = json.dumps({"prefix": prefix, "format": "json", **arguments}).encode()
        deadline = time.monotonic() + PATIENCE
        while True:
            code, answer, said = self._command(words)
            if code == 0:
                return json.loads(answer) if answer.strip() else None
            if code != -1 or time.monotonic() > deadline:  # EPERM
                raise CephError(f"Ceph: {prefix}: {said or os.strerror(-code)}")
            time.sleep(PAUSE)

    def _command(self, words: bytes) -> tuple[int, bytes, str]:
        out, said, out_size, said_size = c_char_p(), c_char_p(), c_size_t(), c_size_t()
        out_at, said_at = ctypes.cast(byref(out), c_void_p), ctypes.cast(byref(said), c_void_p)
        code = self._rados.rados_mon_command(
            self._cluster,
            (c_char_p * 1)(words),
            c_size_t(1),
            None,
            c_size_t(0),
            out_at,
            byref(out_size),
            said_at,
            byref(said_size),
        )
        answer = ctypes.string_at(out, out_size.value) if out else b""
        words_said = ctypes.string_at(said, said_size.value) if said else b""
        for buffer in (out, said):
            if buffer:
                self._rados.rados_buffer_free(buffer)
        return code, answer, words_said.decode(errors="replace").strip()

    def _do(self, name: str, *arguments: Any) -> None:
        code = getattr(self._rados, name)(*arguments)
        if code < 0:
            raise CephError(f"Ceph: {name}: {os.strerror(-code)}")
