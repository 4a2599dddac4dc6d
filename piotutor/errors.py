"""The errors that a user may meet, each with a one-line message that says what to do."""

from __future__ import annotations

from pathlib import Path


class PiotutorError(Exception):
    """Anything that piotutor itself reports: one clear line, no traceback needed.

    In a notebook nothing but that line is shown.
    """

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(PiotutorError):
    """A mistake in what was asked for (the command line exits with 2).

    The message names what is wrong, the value, and what to do instead.
    """


class RunError(PiotutorError):
    """A job that failed (the command line exits with 1).

    Parameters
    ----------
    message : str
        The first rank's error, readable, once.
    run_dir : path, optional
        The run's directory, where output and traces were kept.
    """

    def __init__(self, message: str, run_dir: str | Path | None = None) -> None:
        super().__init__(message)
        self.run_dir = None if run_dir is None else Path(run_dir)
