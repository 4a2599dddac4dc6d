"""JupyterLab in a real Chromium with every address but loopback cut, for tests and benchmarks.

Chromium is ``PIOTUTOR_CHROMIUM``, ``/usr/bin/chromium`` or whichever is on the PATH.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
_QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
_READY = """async () => {
  const session = window.jupyterapp?.shell?.currentWidget?.sessionContext;
  if (!session) return false;
  await session.ready;
  await session.session?.kernel?.info;
  return Boolean(session.session?.kernel);
}"""


class Server(NamedTuple):
    """A running JupyterLab: ``http://127.0.0.1:PORT``, and the token that it asks for."""

    address: str
    token: str


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    named = os.environ.get("PIOTUTOR_CHROMIUM")
    found = (named, *map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    return next((path for path in found if path and Path(path).exists()), None)


@contextmanager
def server(directory: Path, env: dict[str, str] | None = None) -> Iterator[Server]:
    """Run a JupyterLab server on `directory`."""
    port, base = _free_port(), directory / ".jupyter"
    running = Server(f"http://127.0.0.1:{port}", secrets.token_hex())
    settings = base / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    overrides = {"@jupyterlab/apputils-extension:notification": _QUIET}
    (settings / "overrides.json").write_text(json.dumps(overrides))
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0",
        "--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={directory}",
        f"--LabApp.app_settings_dir={settings}", f"--LabApp.workspaces_dir={base / 'workspaces'}",
        f"--LabApp.user_settings_dir={base / 'user'}",
    ]  # fmt: skip
    with (base / "log").open("w") as log:
        given = {**os.environ, **(env or {}), "JUPYTER_TOKEN": running.token}
        process = subprocess.Popen(command, env=given, stdout=log, stderr=log)
        try:
            _wait_for(f"{running.address}/api", process, base / "log")
            yield running
        finally:
            process.terminate()
            process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"JupyterLab did not answer:\n{log.read_text()[-2000:]}")


@contextmanager
def chromium(**options: Any) -> Iterator[Any]:
    """Start a Chromium; yields Playwright's Browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(_FLAGS), **options
        )
        try:
            yield browser
        finally:
            browser.close()


class Lab:
    """One page with one notebook.

    Parameters
    ----------
    browser : playwright Browser
        From `chromium`.
    server : Server
        From `server`.
    directory : Path
        The server's directory, where notebooks are put.
    size : tuple of int
        Width and height of the window.
    """

    def __init__(
        self, browser: Any, server: Server, directory: Path, size: tuple[int, int] = (1200, 1000)
    ) -> None:
        (self.address, self.token), self.directory = server, directory
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        self.context.route("**/*", self._route)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _route(self, route: Any) -> None:
        """Cut what isn't loopback, and remember it."""
        parts = urlsplit(route.request.url)
        local = parts.hostname in ("127.0.0.1", "localhost") or parts.scheme in ("data", "blob")
        if local:
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def open(self, name: str, *cells: str, reset: bool = True) -> None:
        """Open a notebook; with `cells` it is written first. Waits for its kernel."""
        if cells:
            write_notebook(self.directory / name, *cells)
        query = f"token={self.token}{'&reset' if reset else ''}"
        self.page.goto(f"{self.address}/lab/tree/{name}?{query}")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        self.page.wait_for_function(_READY, timeout=60_000)

    def execute(self, command: str) -> None:
        """Start one of JupyterLab's commands without waiting for its end."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", command)

    def run_all(self) -> None:
        """Run all cells."""
        self.execute("notebook:run-all-cells")

    def run_cell(self, source: str) -> None:
        """Add a cell at the end and run it, without waiting for its end."""
        self.page.evaluate(
            """async source => {
              const { commands, shell } = window.jupyterapp;
              const notebook = shell.currentWidget.content;
              notebook.activeCellIndex = notebook.widgets.length - 1;
              await commands.execute('notebook:insert-cell-below');
              notebook.activeCell.model.sharedModel.setSource(source);
              commands.execute('notebook:run-cell');
            }""",
            source,
        )

    def save(self) -> dict[str, Any]:
        """Save the notebook and return it as JSON."""
        self.page.evaluate(
            "async () => { await window.jupyterapp.commands.execute('docmanager:save'); }"
        )
        path = self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path")
        saved: dict[str, Any] = json.loads((self.directory / path).read_text())
        return saved

    def close(self) -> None:
        """End every kernel, and the page."""
        for kernel in self._api("kernels"):
            self._api(f"kernels/{kernel['id']}", "DELETE")
        self.context.close()

    def _api(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(
            f"{self.address}/api/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def write_notebook(path: Path, *cells: str) -> None:
    """Write a notebook of these code cells."""
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "id": secrets.token_hex(4), "metadata": {}, "outputs": [],
         "execution_count": None, "source": source}
        for source in cells
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(book))
