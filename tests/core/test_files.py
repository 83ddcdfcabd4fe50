# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A file is written as a whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tarsus_core.errors import OutputFileError
from tarsus_core.files import write_atomically


def test_writes_and_replaces_with_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "policy.onnx"
    old = os.umask(0o022)
    try:
        write_atomically(path, b"one")
        write_atomically(path, b"two")
    finally:
        os.umask(old)
    assert path.read_bytes() == b"two" and os.listdir(tmp_path) == ["policy.onnx"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "policy.onnx"
    path.write_bytes(b"old")
    # A limit on the size of files stands in for the full disk: the write fails half-way, in a process of its own.
    code = (
        "import resource, sys\n"
        "from tarsus_core.cli import guard\n"
        "from tarsus_core.files import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "sys.exit(guard(lambda: write_atomically(sys.argv[1], bytes(100_000)) or 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert "cannot be written (File too large)" in done.stderr and done.stderr.count("\n") == 1
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["policy.onnx"]


def test_a_failure_at_the_last_moment_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policy.onnx"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputFileError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["policy.onnx"]


def test_absent_folders_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match="No such file or directory"):
        write_atomically(tmp_path / "absent" / "policy.onnx", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputFileError, match="folder' cannot be written"):
        write_atomically(tmp_path / "folder", b"x")
    assert os.listdir(tmp_path) == ["folder"]
