"""The contract that every storage passes.

A storage's suite is a subclass in `tests/unit`::

    class TestMine(StorageSuite):
        name = "mine"
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import ClassVar

import pytest

from piotutor import storage
from piotutor.errors import UsageError
from piotutor.storage import options


class StorageSuite:
    """What every storage must do; subclass it and set `name`."""

    name: ClassVar[str]

    def test_is_in_the_table(self, tmp_path: Path) -> None:
        """A storage is found by its name, and an unknown name is refused."""
        assert storage.at(tmp_path, self.name).path == tmp_path
        with pytest.raises(UsageError, match=self.name):
            storage.at(tmp_path, "no such storage")

    def test_its_spec_is_read_back(self) -> None:
        """A storage is a value: its text makes an equal one, in any directory."""
        one = storage.parse(self.name)
        assert str(one) == one.name == self.name
        assert storage.parse(str(one)) == one == storage.parse(one)
        assert str(one.at(Path("/elsewhere"))) == self.name
        assert one == storage.parse(self.name)

    def test_its_options_are_named_and_explained(self) -> None:
        """Each has a few words about it; one that there isn't, or twice, is refused by name."""
        known = options.options(type(storage.parse(self.name)))
        assert all(option.metadata["about"] for option in known.values())
        with pytest.raises(UsageError, match=f"storage {self.name}: there is no option 'colour'"):
            storage.parse(f"{self.name}:colour=red")
        for name in known:
            with pytest.raises(UsageError, match=f"storage {self.name}: "):
                storage.parse(f"{self.name}:{name}=,{name}=")

    def test_says_what_is_missing(self) -> None:
        """Where it can't be used, that is a user's line, and nothing is left half-done."""
        try:
            storage.parse(self.name).need()
        except UsageError as error:
            assert "\n" not in str(error)

    def test_prepares_what_a_run_has_made(self, tmp_path: Path) -> None:
        """What is to be known of it fits into a JSON file."""
        home = storage.at(tmp_path, self.name)
        known = home.prepare(tmp_path)
        assert json.loads(json.dumps(known)) == known
        assert home.capacity is None or home.capacity >= 0

    def test_what_runs_beside_the_ranks_is_words(self, tmp_path: Path) -> None:
        """It starts nothing itself; files are routed only where something serves them."""
        place = storage.at(tmp_path / "place", self.name)
        try:
            place.need()
        except UsageError as error:
            pytest.skip(str(error))
        words = place.service(tmp_path, [str(tmp_path / "place" / "data")], tmp_path / "temporary")
        assert all(isinstance(word, str) and word for word in words)
        assert words or not place.routed
        assert not (tmp_path / "temporary").exists()

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
