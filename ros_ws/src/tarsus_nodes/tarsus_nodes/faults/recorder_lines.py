# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the recorder, and of the wall clock: what must not matter to a robot that walks."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from mcap.exceptions import EndOfFile
from mcap.records import Channel, Chunk, McapRecord, Message
from mcap.stream_reader import StreamReader, breakup_chunk

from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.judge import both, walks_on
from tarsus_nodes.faults.table import Line, Seen
from tarsus_nodes.tied import tied

FULL_KIB = 3072
"""KiB that a file may have on the "full" disk: more than the middleware's own files; reached in 20 s"""
STEADY = (
    *("/joint_states", "/imu/data", "/joint_command", "/supervisor/state", "/watchdog/state", "/ground_truth/odom"),
)
"""topics on which something is said ten times a second or more, whatever the robot does"""
BEGIN_S = 6.0
"""s in which the recorder, a process as any other, finds who publishes; 3.5 were seen beside nodes that go first"""
LOST_S = 1.0
"""s before its end that a recording may lack"""
GAP_S = 0.4
"""s between two messages of these topics: less than what is written at once, so that none of that can be missing"""
_RECORD = "import sys; from tarsus_core.cli import main; sys.exit(main(['record', *sys.argv[1:]]))"


def messages_in(path: Path) -> list[Message]:
    """Messages of a recording, read from its start as far as it goes: it may have no end."""
    return [record for record in _records(path) if isinstance(record, Message)]


def times_in(path: Path) -> dict[str, list[int]]:
    """Wall times in ns at which the messages of each topic were recorded, read as ``messages_in`` does."""
    topics: dict[int, str] = {}
    found: dict[str, list[int]] = {}
    for record in _records(path):
        if isinstance(record, Channel):
            topics[record.id] = record.topic
        elif isinstance(record, Message):
            found.setdefault(topics[record.channel_id], []).append(record.log_time)
    return found


def _records(path: Path) -> Iterator[McapRecord]:
    with open(path, "rb") as stream:
        try:
            for record in StreamReader(stream, emit_chunks=True).records:
                if isinstance(record, Chunk):
                    yield from breakup_chunk(record)
        except (EndOfFile, struct.error):
            pass  # cut short within a record


def missing(times: Mapping[str, Sequence[int]], topics: Sequence[str], since_ns: int, cut_ns: int) -> dict[str, float]:
    """Topics that are silent for too long between two wall times, and for how long, in s.

    Too long is more than ``LOST_S`` before ``cut_ns``, and more than ``GAP_S`` elsewhere.
    """
    found = {}
    for topic in topics:
        there = [since_ns, *sorted(time_ns for time_ns in times.get(topic, ()) if since_ns < time_ns < cut_ns)]
        end_s = (cut_ns - there[-1]) * 1e-9
        gap_s = max((after - before for before, after in pairwise(there)), default=0) * 1e-9
        if end_s > LOST_S or gap_s > GAP_S:
            found[topic] = max(end_s, gap_s)
    return found


def disk_full(bench: FaultBench) -> Seen:
    """A limit on the size of files, which the recorder meets as it would a full disk."""
    bench.to_passive()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "walk.mcap")
        limited = ["bash", "-c", f'ulimit -f {FULL_KIB}; exec "$0" "$@"', sys.executable, "-c", _RECORD, str(path)]
        recorder = subprocess.Popen(tied(limited), stderr=subprocess.PIPE, text=True)
        try:
            bench.until(path.exists, 30.0)
            bench.to_walk()
            ended = bench.until(lambda: recorder.poll() is not None, 60.0)
        finally:
            recorder.kill()
            _, said = recorder.communicate()
        count = len(messages_in(path)) if path.exists() else 0
    errors = said.count("ends here")
    text = f"the recorder ended with {errors} error and exit code {recorder.returncode}, {count} messages are readable"
    stopped = Seen(text, ended and errors == 1 and recorder.returncode == 1 and count > 0)
    return both(stopped, walks_on(bench, 1.0))


def recorder_killed(bench: FaultBench) -> Seen:
    """SIGKILL, which lets the recorder write nothing more. What it has given to the kernel stays.

    A power cut takes that, too, but for what was brought to the disk: here it cannot be seen whether it was.
    """
    bench.to_passive()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "walk.mcap")
        recorder = subprocess.Popen(tied([sys.executable, "-c", _RECORD, str(path)]), stderr=subprocess.DEVNULL)
        try:
            bench.until(path.exists, 30.0)
            bench.wait(BEGIN_S)
            since_ns = time.time_ns()
            bench.to_walk()
            bench.wait(2.0)
            cut_ns = time.time_ns()
        finally:
            recorder.send_signal(signal.SIGKILL)
            recorder.wait()
        times = times_in(path) if path.exists() else {}
    lost = missing(times, STEADY, since_ns, cut_ns)
    text = f"{sum(map(len, times.values()))} messages are readable, "
    text += ", ".join(f"{seconds:.1f} s of '{topic}' are missing" for topic, seconds in lost.items())
    text += "" if lost else f"{len(STEADY)} topics without a gap to within {LOST_S:g} s of the end"
    return both(Seen(text, not lost), walks_on(bench, 1.0))


LINES = (
    Line(24, "disk full while recording", "the recorder ends with one error; walks on", disk_full),
    Line(
        25,
        "recorder killed while recording",
        "the file opens, all but the last second of each topic is in it; walks on",
        recorder_killed,
    ),
)
