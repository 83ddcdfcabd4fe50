# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""`make sim` hands its variables on as they are, and the set-up says in one sentence what a machine lacks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Stands for .venv/bin/tarsus: says what it was called with, and exits with 3.
FAKE_TARSUS = f"""#!{sys.executable} -IS
import json, os, sys
print(json.dumps([sys.argv[1:], [name for name in ("VX", "PYTHONPATH") if name in os.environ]]))
sys.exit(3)
"""
# What the set-up needs of a system before it looks for Python and compilers.
TOOLS = [
    *("bash", "cat", "cut", "dirname", "env", "find", "flock", "head"),
    *("rm", "sed", "sha256sum", "sort", "uname", "xargs"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the real Makefile and stand-ins for the set-up and for the command."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, text in {"requirements/setup.sh": "#!/bin/sh\n", ".venv/bin/tarsus": FAKE_TARSUS}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path


def make_sim(tree: Path, *variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env["PYTHONPATH"] = "elsewhere"
    return subprocess.run(["make", "sim", *variables], cwd=tree, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ([], []),
        (["DURATION=20", "VX=0.5"], ["--duration", "20", "--vx", "0.5"]),
        (["VX=-0.3", "VY=", "SEED=7"], ["--vx", "-0.3", "--seed", "7"]),
        (["GUI=1", "LOCKSTEP=0"], ["--gui"]),
        (["VIDEO=a b's.mp4"], ["--video", "a b's.mp4"]),
        (["VX=$(shell touch made)"], ["--vx", "$(shell touch made)"]),
        (["VX=0;touch made;`touch made`$(error x)"], ["--vx", "0;touch made;`touch made`$(error x)"]),
        (["VX=0\n'; touch made; '"], ["--vx", "0 '; touch made; '"]),
    ],
)
def test_make_sim_hands_its_variables_on(tree: Path, variables: list[str], arguments: list[str]) -> None:
    result = make_sim(tree, *variables)
    assert json.loads(result.stdout) == [["sim", *arguments], []]
    assert not (tree / "made").exists()
    assert result.returncode != 0
    assert "Error 3" in result.stderr and result.stderr.count("\n") == 1


def test_make_refuses_a_misspelt_variable(tree: Path) -> None:
    result = make_sim(tree, "DURTION=20")
    assert result.returncode != 0
    assert result.stdout == ""
    assert "unknown variable DURTION" in result.stderr and result.stderr.count("\n") == 1


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A bare machine: its PATH, with compilers that only exist, CMake 3.25 and no Python."""
    shutil.copytree(ROOT / "requirements", tmp_path / "tree" / "requirements")
    for name in ("launch", "resource", "ros_ws/src"):
        (tmp_path / "tree" / name).mkdir(parents=True)
    for name in ("package.xml", "setup.py"):
        (tmp_path / "tree" / name).touch()
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (folder / tool).symlink_to(found)
    for tool in ("gcc", "g++", "make"):
        program(folder, tool, "exit 1")
    program(folder, "cmake", "echo cmake version 3.25.1")
    return folder


def set_up(machine: Path, **env: str) -> str:
    """Run the set-up, which must fail before it has made anything, and return its one sentence."""
    tree = machine.parent / "tree"
    result = subprocess.run(
        ["bash", "requirements/setup.sh", "sim"],
        cwd=tree, env={"PATH": str(machine), **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stdout == ""
    assert not (tree / ".venv").exists()
    assert result.stderr.startswith("tarsus set-up: ") and result.stderr.count("\n") == 1
    return result.stderr


def test_no_python(machine: Path) -> None:
    assert "CPython 3.11 is needed, and there is none (tried python3.11 python3 python)" in set_up(machine)


def test_another_python(machine: Path) -> None:
    program(machine, "python3", "echo CPython 3.12.1")
    assert "there is python3: CPython 3.12.1: install it" in set_up(machine)


def test_a_python_that_is_named_but_absent(machine: Path) -> None:
    assert "tried /no/python" in set_up(machine, PYTHON="/no/python")


def test_python_without_venv(machine: Path) -> None:
    program(machine, "python3.11", 'case "$2" in *platform*) echo CPython 3.11.2 ;; *) exit 1 ;; esac')
    assert "python3.11 cannot make virtual environments: install its venv" in set_up(machine)


def test_python_without_headers(machine: Path) -> None:
    program(machine, "python3.11", 'case "$2" in *platform*) echo CPython 3.11.2 ;; *sysconfig*) echo /no ;; esac')
    assert "python3.11 has no Python.h" in set_up(machine)


def test_no_compiler(machine: Path) -> None:
    (machine / "gcc").unlink()
    (machine / "cmake").unlink()
    assert "not found: gcc cmake." in set_up(machine)


def test_an_old_cmake(machine: Path) -> None:
    program(machine, "cmake", "echo cmake version 3.18.4")
    assert "CMake 3.21 or newer is needed" in set_up(machine)


def test_another_architecture(machine: Path) -> None:
    (machine / "uname").unlink()
    program(machine, "uname", "echo Linux aarch64")
    assert "this is Linux aarch64" in set_up(machine)
