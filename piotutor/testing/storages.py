"""The contract that every storage passes.

A storage's suite is a subclass in `tests/unit`::

    class TestMine(StorageSuite):
        name = "mine"
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pytest

from piotutor import storage
from piotutor.errors import UsageError


class StorageSuite:
    """What every storage must do; subclass it and set `name`."""

    name: ClassVar[str]

    def test_is_in_the_table(self, tmp_path: Path) -> None:
        """A storage is found by its name, and an unknown name is refused."""
        assert storage.at(tmp_path, self.name).path == tmp_path
        with pytest.raises(UsageError, match=self.name):
            storage.at(tmp_path, "no such storage")

    def test_tells_a_launcher_what_it_needs(self, tmp_path: Path) -> None:
        """A kind, variables and words: text, and nothing empty among the words."""
        place = storage.at(tmp_path, self.name)
        assert place.kind
        assert all(isinstance(word, str) for pair in place.env.items() for word in pair)
        assert all(isinstance(word, str) and word for word in place.argv_prefix)

    def test_counters_never_fall(self, tmp_path: Path) -> None:
        """What is counted is counted up; where nothing can be seen, nothing is claimed."""
        place = storage.at(tmp_path, self.name)
        before = place.counters()
        with (tmp_path / "data").open("wb") as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
        after = place.counters()
        assert set(before) == set(after)
        assert all(after[key] >= before[key] >= 0 for key in before)

    def test_layout_is_none_or_has_targets(self, tmp_path: Path) -> None:
        """One target has no layout; more have one that is not empty."""
        layout = storage.at(tmp_path, self.name).layout()
        assert layout is None or layout
