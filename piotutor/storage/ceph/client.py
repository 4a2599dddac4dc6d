"""CephFS through libcephfs and ctypes: directories, layouts, and where each byte lies.

Data goes through the interposer, not through here.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

from piotutor.storage.ceph.monitor import CephError, load

_MOST = 64  # OSDs that hold one extent


class Client:
    """A mount of CephFS in this process.

    Raises
    ------
    CephError
        It can't be mounted.
    """

    def __init__(self, library: str, config: Path) -> None:
        self._library = load(library)
        self._library.ceph_lseek.restype = c_int64
        self._mount = c_void_p()
        self._do("ceph_create", byref(self._mount), b"admin")
        self._do("ceph_conf_read_file", self._mount, os.fsencode(config))
        self._do("ceph_mount", self._mount, b"/")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unmount."""
        if self._mount:
            self._library.ceph_unmount(self._mount)
            self._library.ceph_release(self._mount)
            self._mount = c_void_p()

    def make_directory(self, path: str) -> None:
        """Make a directory, private to this user."""
        self._on("ceph_mkdir", path, c_int(0o700))

    def set_attribute(self, path: str, name: str, value: str) -> None:
        """Set an extended attribute."""
        text = value.encode()
        self._on("ceph_setxattr", path, name.encode(), text, c_size_t(len(text)), c_int(0))

    def attribute(self, path: str, name: str) -> str:
        """Return an extended attribute."""
        buffer = ctypes.create_string_buffer(4096)
        size = self._on("ceph_getxattr", path, name.encode(), buffer, c_size_t(len(buffer)))
        return buffer.raw[:size].decode(errors="replace")

    def make_file(self, path: str) -> None:
        """Make an empty file, which must be new."""
        self._close(self._open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))

    def write(self, path: str, data: bytes) -> None:
        """Make a file of these bytes, on disk when this returns."""
        handle = self._open(path, os.O_WRONLY | os.O_CREAT)
        self._do("ceph_write", self._mount, handle, data, c_int64(len(data)), c_int64(0))
        self._do("ceph_fsync", self._mount, handle, c_int(0))
        self._close(handle)

    def link(self, path: str, name: str) -> None:
        """Give a file one more name."""
        self._on("ceph_link", path, os.fsencode(name))

    def rename(self, path: str, name: str) -> None:
        """Give a file another name."""
        self._on("ceph_rename", path, os.fsencode(name))

    def unlink(self, path: str) -> None:
        """Remove a file's name."""
        self._on("ceph_unlink", path)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        directory, buffer = c_void_p(), ctypes.create_string_buffer(1 << 16)
        self._on("ceph_opendir", path, byref(directory))
        try:
            found: list[bytes] = []
            read = "ceph_getdnames", self._mount, directory, buffer, c_int(len(buffer))
            while size := self._do(*read):
                found += buffer.raw[:size].split(b"\0")
            return sorted(os.fsdecode(name) for name in found if name not in (b"", b".", b".."))
        finally:
            self._do("ceph_closedir", self._mount, directory)

    def remove_tree(self, path: str) -> None:
        """Remove a directory and all that is in it."""
        for name in self.names(path):
            try:
                self.unlink(f"{path}/{name}")
            except CephError:  # a directory
                self.remove_tree(f"{path}/{name}")
        self._on("ceph_rmdir", path)

    def size(self, path: str) -> int:
        """Return the size of a file."""
        handle = self._open(path, os.O_RDONLY)
        try:
            return self._do("ceph_lseek", self._mount, handle, c_int64(0), c_int(os.SEEK_END))
        finally:
            self._close(handle)

    def extents(self, path: str, size: int) -> list[tuple[int, int, list[int]]]:
        """Return, in order, (offset, length, OSDs) of all pieces of a file's first ``size`` bytes.

        A piece ends where another object begins; several OSDs hold it where it is replicated or
        coded.
        """
        handle = self._open(path, os.O_RDONLY)
        try:
            found, offset = [], 0
            while offset < size:
                length, osds = self._extent(handle, offset)
                length = min(length, size - offset)
                found.append((offset, length, osds))
                offset += length
            return found
        finally:
            self._close(handle)

    def _extent(self, handle: c_int, offset: int) -> tuple[int, list[int]]:
        length, osds = c_int64(), (c_int * _MOST)()
        count = self._do(
            "ceph_get_file_extent_osds",
            self._mount,
            handle,
            c_int64(offset),
            byref(length),
            osds,
            c_int(_MOST),
        )
        if length.value <= 0:
            raise CephError(f"Ceph tells no extent at {offset}")
        return length.value, list(osds[:count])

    def _open(self, path: str, flags: int) -> c_int:
        return c_int(self._on("ceph_open", path, c_int(flags), c_int(0o600)))

    def _close(self, handle: c_int) -> None:
        self._do("ceph_close", self._mount, handle)

    def _on(self, name: str, path: str, *arguments: Any) -> int:
        return self._do(name, self._mount, os.fsencode(path), *arguments, about=path)

    def _do(self, name: str, *arguments: Any, about: str = "") -> int:
        code: int = getattr(self._library, name)(*arguments)
        if code < 0:
            raise CephError(f"Ceph: {name} {about}: {os.strerror(-code)}")
        return code
