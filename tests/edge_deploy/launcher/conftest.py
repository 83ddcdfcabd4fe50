# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A small ament prefix with real executables, launch files written on the spot, and a look at live processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tarsus_core
import tarsus_edge

HERE = Path(__file__).parent
CLI = "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))"
PATIENCE_S = 60.0


class Prefix:
    """An install prefix with the package ``demo``, and the environment that makes it found."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "share/ament_index/resource_index/packages").mkdir(parents=True)
        self.add_package("demo")
        (root / "share/demo/params.yaml").write_text("/**:\n  ros__parameters:\n    from_file: 1\n")
        self.add_executable("demo", "dump", "#!/bin/sh\nexit 0\n")
        sources = [str(Path(package.__file__ or "").parents[1]) for package in (tarsus_core, tarsus_edge)]
        self.environment = {
            **os.environ,
            "AMENT_PREFIX_PATH": str(root),
            "T_HOME": "/t/home",
            # For programs of their own that run elsewhere, also when PYTHONPATH names the sources by relative paths.
            "PYTHONPATH": os.pathsep.join([*sources, os.environ.get("PYTHONPATH", "")]),
        }
        for name in ("T_UNSET", "OVERRIDE_LAUNCH_PROCESS_OUTPUT", "TARSUS_LAUNCH_ID"):
            self.environment.pop(name, None)

    def add_package(self, name: str) -> None:
        (self.root / "share/ament_index/resource_index/packages" / name).touch()
        (self.root / "share" / name).mkdir(exist_ok=True)

    def add_executable(self, package: str, name: str, script: str) -> Path:
        path = self.root / "lib" / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        return path


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    """An ament prefix of its own."""
    return Prefix(tmp_path / "prefix")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a launch file: ``write(body)`` or ``write(body, "name.launch.xml")``."""

    def write_file(body: str, name: str = "test.launch.xml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<launch>\n{body}\n</launch>\n")
        return path

    return write_file


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a Python program that starts fast: ``python(name, source)`` returns the command that runs it."""

    def write_program(name: str, source: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        return f"{sys.executable} -I -S {path}"

    return write_program


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait for a condition; fail when it does not come."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"{what} did not come within {PATIENCE_S} s")
        time.sleep(0.01)


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    """``wait_until(condition, what)``."""
    return wait_until


def is_alive(pid: int) -> bool:
    """True when the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(name="is_alive")
def is_alive_fixture() -> Callable[[int], bool]:
    """``is_alive(pid)``."""
    return is_alive


@pytest.fixture
def pids(tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[Callable[..., list[int]]]:
    """``pids("a", "b")`` waits for the files a.pid and b.pid in the test's folder and returns the numbers in them.

    Whatever of them is still alive after the test is killed, so that a failing test leaves nothing behind.
    """
    seen: list[int] = []

    def read(*names: str) -> list[int]:
        files = [tmp_path / f"{name}.pid" for name in names]
        wait_until(lambda: all(file.is_file() and file.read_text().endswith("\n") for file in files), str(names))
        numbers = [int(file.read_text()) for file in files]
        seen.extend(numbers)
        return numbers

    yield read
    for pid in seen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def tarsus(prefix: Prefix, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``tarsus launch`` as a process of its own: ``tarsus("file", "a:=1")``."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CLI, "launch", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**prefix.environment, "ROS_LOG_DIR": str(tmp_path / "log"), **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
