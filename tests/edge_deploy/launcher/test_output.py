# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Lines on their way from pipes to screen and log."""

from __future__ import annotations

import datetime
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tarsus_edge.launcher import output
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.output import LineSplitter, Router, log_root, make_log_folder


def test_pieces_become_lines() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\ntw") == ["one"]
    assert splitter.feed(b"o\n\nthree") == ["two", ""]
    assert splitter.feed("ü".encode()[:1]) == []
    assert splitter.feed("ü".encode()[1:] + b"\n\xff\n") == ["threeü", "�"]
    assert splitter.finish() == []
    splitter.feed(b"last")
    assert splitter.finish() == ["last"] and splitter.finish() == []


def test_a_line_without_end_is_cut_into_pieces() -> None:
    splitter = LineSplitter()
    length = output.MAX_LINE_BYTES
    lines = splitter.feed(b"x" * (2 * length + 5))
    assert [len(line) for line in lines] == [length, length]
    assert splitter.finish() == ["xxxxx"]


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"ROS_LOG_DIR": "/a/b"}, "/a/b"),
        ({"ROS_LOG_DIR": "", "ROS_HOME": "/c"}, "/c/log"),
        ({}, "~/.ros/log"),
    ],
)
def test_the_log_folder_is_that_of_ros(environment: dict[str, str], folder: str) -> None:
    assert log_root(environment) == Path(folder).expanduser()


def test_latest_names_the_newest_folder(tmp_path: Path) -> None:
    first = make_log_folder(tmp_path, datetime.datetime(2026, 1, 2, 3, 4, 5, 6))
    assert first.name.startswith("2026-01-02-03-04-05-000006-") and first.name.endswith(f"-{os.getpid()}")
    second = make_log_folder(tmp_path, datetime.datetime(2026, 1, 2, 3, 4, 6))
    assert (tmp_path / "latest").resolve() == second.resolve()
    with pytest.raises(LaunchError, match="cannot be created"):
        make_log_folder(tmp_path, datetime.datetime(2026, 1, 2, 3, 4, 6))


def test_a_screen_that_takes_nothing_loses_lines_but_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    monkeypatch.setattr(output, "MAX_WAITING_LINES", 10)
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as screen, os.fdopen(read_end, "rb") as reader:
        router = Router(screen, tmp_path, lambda: None)
        for number in range(2000):
            router.process_line("a-1", "screen", False, f"{number:04d} " + "x" * 1000)
        seen: list[bytes] = []
        thread = threading.Thread(target=lambda: seen.extend(reader))
        thread.start()
        wait_until(lambda: router._lines.empty())
        router.process_line("a-1", "screen", False, "the last one")
        router.close(60)
        screen.close()
        thread.join(60)
    lines = [line.decode().rstrip() for line in seen]
    expected, dropped = 0, 0
    for line in lines[:-1]:
        if line.startswith("[WARN]"):
            dropped = int(line.removeprefix("[WARN] [launch]: ").split(" lines were dropped")[0])
            expected += dropped
        else:
            assert int(line.split()[1]) == expected, "each hole is told where it is"
            expected += 1
    assert expected == 2000 and dropped > 0
    assert lines[-1] == "[a-1] the last one"


def test_a_screen_that_is_closed_is_reported_once_and_the_log_goes_on(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    broken: list[None] = []
    with os.fdopen(write_end, "w") as screen:
        router = Router(screen, tmp_path, lambda: broken.append(None))
        router.process_line("a-1", "both", False, "one")
        router.process_line("a-1", "both", False, "two")
        router.close(60)
    assert len(broken) == 1
    assert [line.split(" ", 1)[1] for line in (tmp_path / "launch.log").read_text().splitlines()] == [
        "[a-1] one",
        "[a-1] two",
    ]


def test_a_full_disk_ends_the_log_with_a_sentence_and_the_screen_goes_on(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    (tmp_path / "launch.log").symlink_to("/dev/full")
    with (tmp_path / "screen").open("w") as screen:
        router = Router(screen, tmp_path, lambda: None)
        router.process_line("a-1", "both", False, "one")
        router.close(60)
        router = Router(screen, tmp_path, lambda: None)
        router.process_line("a-1", "screen", False, "two")
        router.close(60)
    lines = (tmp_path / "screen").read_text().splitlines()
    assert lines == [
        "[a-1] one",
        f"[WARN] [launch]: the log file ends here (No space left on device): make room in '{tmp_path}'",
        "[a-1] two",
    ]
