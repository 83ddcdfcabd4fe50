# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the lines of processes go: the screen, the log file, or both; a slow terminal never holds up the launcher."""

from __future__ import annotations

import contextlib
import datetime
import os
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from tarsus_edge.launcher.errors import LaunchError

LAUNCHER = "launch"
MAX_WAITING_LINES = 10_000
MAX_LINE_BYTES = 16_384
"""A longer line is written in pieces, so that a process cannot fill the memory with one."""


def log_root(environment: Mapping[str, str]) -> Path:
    """Return ROS's log folder: ROS_LOG_DIR, else ROS_HOME/log, else ~/.ros/log."""
    if environment.get("ROS_LOG_DIR"):
        return Path(environment["ROS_LOG_DIR"]).expanduser()
    home = environment.get("ROS_HOME") or "~/.ros"
    return Path(home).expanduser() / "log"


def make_log_folder(root: Path, now: datetime.datetime) -> Path:
    """Create a folder for one launch below ``root`` and let the link ``latest`` name it.

    Raises:
        LaunchError: the folder cannot be created.
    """
    folder = root / f"{now:%Y-%m-%d-%H-%M-%S-%f}-{socket.gethostname()}-{os.getpid()}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise LaunchError(
            f"The log folder '{folder}' cannot be created ({error.strerror}): set ROS_LOG_DIR to a folder that can be "
            "written."
        ) from None
    latest = root / "latest"
    with contextlib.suppress(OSError):
        if latest.is_symlink():
            latest.unlink()
        latest.symlink_to(folder)
    return folder


class LineSplitter:
    """Puts the bytes of a pipe together into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that ``data`` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        return [line.decode(errors="replace") for line in lines]

    def finish(self) -> list[str]:
        """Return the last line, when it had no end."""
        rest, self._rest = self._rest, b""
        return [rest.decode(errors="replace")] if rest else []


def _line_writer(stream: TextIO) -> Callable[[str], None]:
    """Return what writes text to ``stream`` at once.

    A real stream is written past its buffer: a thread that a stopped terminal holds up in there would also hold its
    lock, and Python could not end.
    """
    try:
        stream.flush()
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):

        def write_buffered(text: str) -> None:
            stream.write(text)
            stream.flush()

        return write_buffered

    def write(text: str) -> None:
        data = text.encode(stream.encoding or "utf-8", errors="replace")
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                select.select((), (descriptor,), ())

    return write


class Router:
    """Writes lines in a thread of its own, in the order in which they come.

    Args:
        screen: where lines for the screen go.
        folder: folder of this launch; ``launch.log`` is written there.
        on_broken: called once, from the writing thread, when the screen takes no more (its reader has gone).
    """

    def __init__(self, screen: TextIO, folder: Path, on_broken: Callable[[], None]) -> None:
        self.folder = folder
        self._screen: Callable[[str], None] | None = _line_writer(screen)
        self._on_broken = on_broken
        try:
            self._log: TextIO | None = (folder / "launch.log").open("w", encoding="utf-8")
        except OSError as error:
            raise LaunchError(f"The log file '{folder / 'launch.log'}' cannot be written ({error.strerror}).") from None
        self._lines: queue.Queue[tuple[bool, bool, str] | None] = queue.Queue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="launch output", daemon=True)
        self._thread.start()

    def process_line(self, name: str, output: str, is_error: bool, line: str) -> None:
        """Write one line of a process.

        Args:
            name: label of the process.
            output: "screen"; "log", which shows standard error on the screen, too; or "both".
            is_error: True for standard error.
            line: the line without its end.
        """
        self._put(output != "log" or is_error, output != "screen", f"[{name}] {line}")

    def say(self, level: str, name: str, text: str) -> None:
        """Write a message of the launcher about ``name`` to screen and log."""
        self._put(True, True, f"[{level}] [{name}]: {text}")

    def close(self, timeout_s: float) -> None:
        """Write what is waiting, for at most ``timeout_s`` seconds, and close the log file."""
        self._lines.put(None)
        self._thread.join(timeout_s)

    def _put(self, to_screen: bool, to_log: bool, line: str) -> None:
        if self._lines.qsize() >= MAX_WAITING_LINES:
            self._dropped += 1
            return
        if self._dropped:
            text = f"{self._dropped} lines were dropped, because they came faster than they are read"
            self._dropped = 0
            self._lines.put((True, True, f"[WARN] [{LAUNCHER}]: {text}"))
        self._lines.put((to_screen, to_log, line))

    def _write(self) -> None:
        while (item := self._lines.get()) is not None:
            to_screen, to_log, line = item
            if to_screen:
                self._to_screen(line)
            if to_log:
                self._to_log(f"{time.time():.7f} {line}\n")
        self._to_log("", last=True)

    def _to_screen(self, line: str) -> None:
        if self._screen is None:
            return
        try:
            self._screen(line + "\n")
        except (OSError, ValueError):
            self._screen = None
            self._on_broken()

    def _to_log(self, text: str, last: bool = False) -> None:
        if self._log is None:
            return
        try:
            self._log.write(text)
            if last:
                self._log.close()
            elif self._lines.empty():
                self._log.flush()
        except OSError as error:
            self._log = None
            text = f"the log file ends here ({error.strerror}): make room in '{self.folder}'"
            self._to_screen(f"[WARN] [{LAUNCHER}]: {text}")
