# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Shared memory of processes that were killed is removed by whoever starts next; that of the living is not."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.domain import own_domain

from tarsus_nodes import dds_segments
from tarsus_nodes.dds_segments import SETTLED_S, SHARED_MEMORY, remove_dead_segments

pytestmark = pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="shared memory is not in files here")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder instead of the machine's own."""
    monkeypatch.setattr(dds_segments, "SHARED_MEMORY", tmp_path)
    return tmp_path


def segment(folder: Path, name: str, age_s: float = 2.0 * SETTLED_S) -> tuple[Path, Path]:
    made = folder / name, folder / f"{name}_el"
    for path in made:
        path.touch()
        os.utime(path, times=(time.time() - age_s,) * 2)
    return made


def test_what_nobody_owns_is_removed(folder: Path) -> None:
    memory, owner = segment(folder, "fastrtps_00112233445566ff")
    assert remove_dead_segments() == ["fastrtps_00112233445566ff"]
    assert not memory.exists() and not owner.exists()
    owner.touch()
    os.utime(owner, times=(0.0, 0.0))
    assert remove_dead_segments() == ["fastrtps_00112233445566ff"], "the lock alone"
    assert remove_dead_segments() == [] and not owner.exists()


def test_what_is_owned_young_or_of_another_name_stays(folder: Path) -> None:
    _, owner = segment(folder, "fastrtps_00112233445566aa")
    segment(folder, "fastrtps_00112233445566bb", age_s=0.5 * SETTLED_S)
    segment(folder, "fastrtps_port7411")
    segment(folder, "fastrtps_00112233445566ag")
    segment(folder, "fastrtps_00112233445566aacc")
    (folder / "fastrtps_00112233445566dd").touch()
    before = sorted(folder.iterdir())
    with owner.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remove_dead_segments() == []
    assert sorted(folder.iterdir()) == before


def test_without_shared_memory_in_files_nothing_happens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dds_segments, "SHARED_MEMORY", folder / "none")
    assert remove_dead_segments() == []


NODE = """
import sys, rclpy
rclpy.init()
node = rclpy.create_node("segment")
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def node() -> Iterator[subprocess.Popen[str]]:
    with own_domain() as domain:
        process = subprocess.Popen(
            [sys.executable, "-c", NODE],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "ROS_DOMAIN_ID": str(domain)},
        )
        yield process
        process.kill()
        process.communicate()


def owned_by(pid: int) -> set[str]:
    """Names of the segments whose lock a process has open."""
    names = {os.path.basename(os.readlink(link)) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {name.removesuffix("_el") for name in names if dds_segments.OWNER.fullmatch(name)}


def test_a_living_participant_keeps_its_own_and_a_killed_one_leaves_it(node: subprocess.Popen[str]) -> None:
    assert node.stdout is not None and node.stdout.readline() == "up\n"
    own = owned_by(node.pid)
    assert own
    for name in own:
        os.utime(SHARED_MEMORY / f"{name}_el", times=(0.0, 0.0))
    assert not own & set(remove_dead_segments())
    assert all((SHARED_MEMORY / name).exists() for name in own)
    node.kill()
    node.wait()
    remove_dead_segments()
    assert not any((SHARED_MEMORY / name).exists() for name in own)
