"""How far the learner has come through the course."""

from __future__ import annotations

from piotutor.lesson import course, journal, table


class Progress:
    """One line for each lesson; in a notebook it shows itself."""

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Lesson, title, checks passed and predictions made."""
        made = [line.get("lesson") for line in journal.lines(journal.PREDICTIONS)]
        return [
            (name, content.title, _passed(content), str(made.count(name)))
            for name, content in ((name, course.load(name)) for name in course.COURSE)
        ]

    def __repr__(self) -> str:
        return "\n".join(
            f"{name}  {title:<28} checks passed: {passed}, predictions made: {made}"
            for name, title, passed, made in self.rows
        )

    def _repr_html_(self) -> str:
        names = ("lesson", "question", "checks passed", "predictions made")
        return table.html(names, self.rows, left=True)


def _passed(content: course.Content) -> str:
    done = journal.passed(content.name) & set(content.checks)
    return f"{len(done)} of {len(content.checks)}"
