"""What the pages name is there: links, paths, Python's names; and every command line is read."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from piotutor import launch, storage
from piotutor.cli import make_parser
from piotutor.cli.parser import read
from piotutor.cli.words import read_workload
from piotutor.engine.machines import read_machine
from piotutor.storage import options

ROOT = Path(__file__).parents[2]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text("utf-8")
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
}
TREES = ("benchmarks", "docs", "notebooks", "piotutor", "tests", "tools")
MADE_UP = re.compile(r"[*$]|NAME|NN|/RUN|/mine|metadata")
"""What stands for something else, and what the recipes make."""
pages = pytest.mark.parametrize("page", PAGES)


def anchors(text):
    """Return how a page's headings are called in links."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pages
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)\s]+)\)", PAGES[page]):
        path, _, anchor = link.partition("#")
        to = (ROOT / page).parent / path if path else ROOT / page
        assert to.exists(), link
        assert not anchor or anchor in anchors(to.read_text("utf-8")), link


@pages
def test_paths_are_there(page):
    quoted = " ".join(re.findall(r"`([^`\n]+)`", PAGES[page]))
    for path in re.findall(rf"(?<![\w/.-])(?:{'|'.join(TREES)})/[^\s,;:()|'\"]+", quoted):
        assert MADE_UP.search(path) or (ROOT / path).exists(), path


@pages
def test_names_are_python_s(page):
    for name in set(re.findall(r"`(?:pio|piotutor)((?:\.[A-Za-z_]\w*)+)[`(]", PAGES[page])):
        found = importlib.import_module("piotutor")
        for word in name.split(".")[1:]:
            if not hasattr(found, word):
                importlib.import_module(f"{found.__name__}.{word}")
            found = getattr(found, word)


def commands():
    """Return the command lines of ours that stand in blocks, with nothing left out."""
    ours = re.compile(r"^ {4}(piotutor (?:run|trace|model|pattern) .*)$", re.MULTILINE)
    lines = [line for text in PAGES.values() for line in ours.findall(text)]
    words = [shlex.split(line, comments=True)[1:] for line in lines]
    return [each for each in words if not {"...", "OPTIONS"} & {*each}]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_command_lines_are_read(words):
    told = read(make_parser(), words)
    given = vars(told)
    if words[0] != "trace" and given.get("machine") != "list":
        read_workload(told)
    if ".json" not in (given.get("storage") or ".json"):
        storage.parse(given["storage"])
    if given.get("machine", "list") != "list":
        read_machine(given["machine"])
    name, _, rest = (given.get("launcher") or "local").partition(":")
    options.words_of(rest, launch.kind(name))
