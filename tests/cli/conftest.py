"""Fixtures of this room: verbs run to their end, verbs that go on, and gateways in the development setting."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.executable import Ended, Inside, Running, Serving, environment
from tidings.cli import run


@pytest.fixture
def tidings(tmp_path: Path) -> Ended:
    """Run `tidings …` to its end, in an empty directory."""

    def ended(
        *arguments: str, given: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tidings", *arguments],
            cwd=tmp_path,
            env=environment(env),
            input=given,
            capture_output=True,
            text=True,
            timeout=30,
        )

    return ended


@pytest.fixture
def inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Inside]:
    """Run `tidings …` to its end in this process: quicker, and enough for what never gets as far as serving."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TIDINGS_")]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
        status = run(arguments)
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, printed.out, printed.err)

    yield ended
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start `tidings …`; it is killed with the test."""
    running: list[Running] = []

    def begin(*arguments: str, env: dict[str, str] | None = None) -> Running:
        running.append(Running(*arguments, cwd=tmp_path, env=env))
        return running[-1]

    yield begin
    for process in running:
        process.kill()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Start a gateway in the development setting; it is killed with the test."""
    running: list[Serving] = []

    def begin(*arguments: str, env: dict[str, str] | None = None) -> Serving:
        running.append(Serving(tmp_path / "data", *arguments, env=env))
        return running[-1]

    yield begin
    for process in running:
        process.kill()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One gateway for the tests of a module that change nothing about it."""
    running = Serving(tmp_path_factory.mktemp("gateway") / "data")
    yield running
    running.kill()
