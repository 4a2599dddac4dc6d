"""The contract that every launcher passes; no rank is started.

A launcher's suite is a subclass in `tests/unit`::

    class TestMine(LauncherSuite):
        name = "mine"

        def make(self):
            return Mine(...)  # with made-up paths: the suite asks for words only
"""

from __future__ import annotations

from typing import ClassVar

import pytest

from piotutor import launch
from piotutor.errors import UsageError
from piotutor.launch import Launcher
from piotutor.launch.local import Ranks

MODULE = ("piotutor.launch.worker", "/run with a space/job.json")


class LauncherSuite:
    """What every launcher must do; subclass it, set `name` and give `make`."""

    name: ClassVar[str]

    def make(self) -> Launcher:
        """Return one that could start ranks."""
        raise NotImplementedError

    def test_is_in_the_table(self) -> None:
        """A launcher is found by its name, and an unknown name is refused."""
        module, _, attribute = launch.LAUNCHERS[self.name].partition(":")
        made = type(self.make())
        assert (made.__module__, made.__name__) == (module, attribute)
        with pytest.raises(UsageError, match=self.name):
            launch.parse("no such launcher")

    def test_the_command_line_is_words(self) -> None:
        """Count, wrapper and program stand in it as given: no word passes through a shell."""
        argv = self.make().argv(Ranks(3, MODULE, ("wrap", "a b; c")))
        assert all(isinstance(word, str) and word for word in argv)
        assert argv[-2:] == list(MODULE)
        assert argv.index("wrap") + 1 == argv.index("a b; c") < argv.index(MODULE[0])
        assert any("3" in word for word in argv[: argv.index("wrap")])

    def test_the_command_line_is_pure(self) -> None:
        """Asked twice, it answers the same, and other counts change nothing else."""
        launcher = self.make()
        first, other = launcher.argv(Ranks(2, MODULE)), launcher.argv(Ranks(4, MODULE))
        assert launcher.argv(Ranks(2, MODULE)) == first
        assert len(first) == len(other) and first != other

    def test_the_environment_is_text(self) -> None:
        """Variables and values are strings."""
        assert all(isinstance(word, str) for pair in self.make().env().items() for word in pair)
