"""What every lesson has, and how the committed notebooks come from their sources."""

from __future__ import annotations

import ast
import json
import re
import statistics
from pathlib import Path

import pytest
from make_notebooks import NOTEBOOKS, executed, learner, main, sources, target, text

from piotutor.lesson import course, recorded

PAGES = sources()
LESSONS = [page for page in PAGES if page.name[0].isdigit()]
PARTS = ("Predict", "Run", "Look", "Explain", "Try", "Exercise", "On a cluster")
_MAGIC = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def cells(source, kind):
    return [cell for cell in executed(source).cells if cell.cell_type == kind]


def prose(source):
    return "\n".join(cell.source for cell in cells(source, "markdown"))


def code_lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def name(source):
    return source.stem


pages = pytest.mark.parametrize("source", PAGES, ids=name)
lessons = pytest.mark.parametrize("source", LESSONS, ids=name)


def test_every_lesson_of_the_table_has_a_source():
    assert [lesson.name[:2] for lesson in LESSONS] == sorted(course.COURSE)


@lessons
def test_a_lesson_stands_in_every_list_of_them(source):
    link = f"{target(source).name})"
    assert link in (NOTEBOOKS.parent / "README.md").read_text("utf-8")
    assert link in prose(NOTEBOOKS / "src/README.py")
    assert f"\n| {source.name[:2]} | " in (NOTEBOOKS.parent / "docs/lessons.md").read_text("utf-8")


def test_there_is_no_notebook_without_a_source():
    assert sorted(NOTEBOOKS.glob("*.ipynb")) == sorted(target(page) for page in PAGES)


@pages
def test_the_committed_notebook_is_the_generated_one(source):
    assert target(source).read_text("utf-8") == text(learner(source)), "run: make notebooks"


def test_the_check_writes_nothing(capsys):
    before = {path: path.stat().st_mtime_ns for path in NOTEBOOKS.glob("*.ipynb")}
    assert main(["--check"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in NOTEBOOKS.glob("*.ipynb")}
    assert capsys.readouterr().out == ""


@pages
def test_no_outputs_are_committed(source):
    notebook = json.loads(target(source).read_text("utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert set(notebook["metadata"]) == {"kernelspec"}


@lessons
def test_cells_are_short_and_prose_is_long(source):
    counts = [len(code_lines(cell)) for cell in cells(source, "code")]
    assert max(counts) <= 5
    assert statistics.median(counts) <= 2
    words = re.findall(r"\w[\w'-]*", re.sub(r"(?s)```.*?```", "", prose(source)))
    assert len(words) >= 12 * sum(counts)


@lessons
def test_cells_hold_calls_and_no_functions(source):
    for cell in cells(source, "code"):
        tree = compile(cell.source, source.name, "exec", flags=_MAGIC | ast.PyCF_ONLY_AST)
        assert not [
            node
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef))
        ]


@lessons
def test_the_title_is_a_question_and_the_minutes_add_up(source):
    content = course.load(source.name[:2])
    title = prose(source).splitlines()[0]
    assert title == f"# {content.title}"
    assert title.endswith("?")
    assert f"Lesson {content.name} ·" in prose(source)
    minutes = [int(n) for n in re.findall(r"^\*(\d+) minutes?\.", prose(source), re.MULTILINE)]
    assert content.minutes - 5 <= sum(minutes) <= content.minutes + 5
    assert f"· {content.minutes} minutes**" in prose(source)


@lessons
def test_each_step_can_be_timed_skipped_and_lectured(source):
    steps = re.split(r"^## (?=\d+\. )", prose(source), flags=re.MULTILINE)[1:]
    titles = [step.splitlines()[0] for step in steps]
    for part in PARTS:
        assert any(part.lower() in title.lower() for title in titles), part
    for step in steps:
        assert re.search(r"^\*\d+ minutes?\. Skip this if late: .+\*$", step, re.MULTILINE), step[
            :60
        ]
        assert "Two-minute version, to lecture from</summary>" in step, step[:60]


@lessons
def test_it_ends_with_three_lines_to_remember_and_its_sources(source):
    _, _, end = prose(source).partition("## Remember\n")
    remember, _, rest = end.partition("## Sources\n")
    assert len(re.findall(r"^- ", remember, re.MULTILINE)) == 3
    assert len(re.findall(r"^- ", rest, re.MULTILINE)) >= 2


@lessons
def test_each_exercise_has_three_hints_and_a_solution(source):
    content = course.load(source.name[:2])
    found = executed(source).cells
    tagged = [(cell, cell.metadata.get("tags", [])) for cell in found]
    exercises = [cell.source for cell, tags in tagged if "exercise" in tags]
    solutions = [cell.source for cell, tags in tagged if "solution" in tags]
    assert len(exercises) == len(solutions) == len(content.checks)
    for check, exercise, solution in zip(content.checks, exercises, solutions, strict=True):
        assert f'pio.check("{check}", ' in exercise
        assert f'pio.check("{check}", ' in solution
        assert "..." in exercise
        assert len(exercise.splitlines()) <= 5
    for hint in (1, 2, 3):
        folded = f"<details><summary>Hint {hint}</summary>"
        assert prose(source).count(folded) == len(content.checks)


@lessons
def test_the_solution_is_folded_for_the_learner(source):
    cells_ = learner(source).cells
    folded = [cell for cell in cells_ if "solution" in cell.metadata.get("tags", [])]
    assert folded
    assert all(cell.cell_type == "markdown" for cell in folded)
    assert all(cell.source.startswith("<details><summary>Solution") for cell in folded)


@pages
def test_folds_are_closed_and_links_lead_somewhere(source):
    page = prose(source)
    assert page.count("<details>") == page.count("</details>")
    assert page.count("<summary>") == page.count("</summary>")
    for link in re.findall(r"\]\(([^)#]+)\)", page):
        assert (NOTEBOOKS / link).exists(), link


@lessons
def test_the_glossary_and_the_lessons_know_the_same_words(source):
    number, page = source.name[:2], prose(source).lower()
    for term, where in glossary():
        if number in where:
            assert any(word.strip().lower() in page for word in term.split(",")), term


@lessons
def test_words_in_italics_are_in_the_glossary(source):
    known = {word.strip().lower() for term, _ in glossary() for word in term.split(",")}
    body = re.sub(r"(?m)^\*\d+ minutes?\..*\*$", "", prose(source)).replace("**", "")
    for term in re.findall(r"(?<![\w*])\*([\w -]+)\*(?![\w*])", body):
        word = term.lower()
        assert {word, word.removesuffix("s"), word.removesuffix("es")} & (known | EMPHASIS), term


EMPHASIS = {
    "shift",
    "enter",
    "italics",
    "easy",
    "hard",
    "another",
    "replay",
    "step",
    "mpi libraries",
    "4 kib random reads",
}


def glossary():
    page = (NOTEBOOKS / "src" / "glossary.md").read_text("utf-8")
    for term, meaning in re.findall(r"^\*\*(.+?)\*\* — (.+)$", page, re.MULTILINE):
        first = re.findall(r"Lessons? ([\d, ]+)\.", meaning)
        yield term, {number for found in first for number in found.replace(",", " ").split()}


def test_the_glossary_is_in_order_and_has_no_word_twice():
    terms = [term.lower() for term, _ in glossary()]
    assert terms == sorted(set(terms), key=lambda term: term.replace("-", " "))


@lessons
def test_recorded_runs_are_small_stamped_and_the_notebooks_own(source):
    number = source.name[:2]
    named = set(re.findall(r'lesson\.watch\([\w.]+, "(\w+)"', source.read_text("utf-8")))
    blind = {f"blind-{label}" for label in course.load(number).blind}
    assert set(recorded.names(number)) == named | blind
    files = list(recorded.DATA.glob(f"{number}-*.piot"))
    assert sum(path.stat().st_size for path in files) < 300_000
    for run in (recorded.load(number, name) for name in named | blind):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", run.day)
        assert run.trace.provenance in ("measured", "emulated")
        assert run.trace.dropped == 0
        assert run.workload is None or run.workload.test_file is None
        assert all(not Path(file).is_absolute() for file in run.trace.files)


@lessons
def test_the_text_asks_what_the_course_can_answer(source):
    """Text and answers stand apart (docs/adr/0002): every question and check is in both."""
    number, words = source.name[:2], source.read_text("utf-8")
    content = course.load(number)
    asked = set(re.findall(r'lesson\.predict\("(\w+)"', words))
    assert asked == {question.name for question in content.questions} == set(content.answers)
    assert set(re.findall(r'pio\.check\("([\w.]+)"', words)) == set(content.checks)
    seen = re.findall(r'lesson\.watch\(\w+, "(\w+)"|hardware\.(\w+)\(', words)
    assert set(content.answers.values()) <= {name for found in seen for name in found}
