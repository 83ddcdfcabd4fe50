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
from pathlib import Path

from mcap.exceptions import EndOfFile
from mcap.records import Chunk, Message
from mcap.stream_reader import StreamReader, breakup_chunk

from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.judge import both, walks_on
from tarsus_nodes.faults.table import Line, Seen

FULL_KIB = 3072
"""KiB that a file may have on the "full" disk: more than the middleware's own files; reached in 20 s"""
_RECORD = "import sys; from tarsus_core.cli import main; sys.exit(main(['record', *sys.argv[1:]]))"


def messages_in(path: Path) -> list[Message]:
    """Messages of a recording, read from its start as far as it goes: it may have no end."""
    found: list[Message] = []
    with open(path, "rb") as stream:
        try:
            for record in StreamReader(stream, emit_chunks=True).records:
                if isinstance(record, Chunk):
                    found += [inner for inner in breakup_chunk(record) if isinstance(inner, Message)]
        except (EndOfFile, struct.error):
            pass  # cut short within a record
    return found


def disk_full(bench: FaultBench) -> Seen:
    """A limit on the size of files, which the recorder meets as it would a full disk."""
    bench.to_passive()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "walk.mcap")
        limited = ["bash", "-c", f'ulimit -f {FULL_KIB}; exec "$0" "$@"', sys.executable, "-c", _RECORD, str(path)]
        recorder = subprocess.Popen(limited, stderr=subprocess.PIPE, text=True)
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


def power_cut(bench: FaultBench) -> Seen:
    """SIGKILL, which lets the recorder write nothing more; what it had flushed to the disk is all there is."""
    bench.to_passive()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "walk.mcap")
        recorder = subprocess.Popen([sys.executable, "-c", _RECORD, str(path)], stderr=subprocess.DEVNULL)
        try:
            bench.until(path.exists, 30.0)
            bench.to_walk()
            bench.wait(2.0)
            cut_ns = time.time_ns()
        finally:
            recorder.send_signal(signal.SIGKILL)
            recorder.wait()
        found = messages_in(path)
    newest_s = (cut_ns - max((m.log_time for m in found), default=0)) * 1e-9
    text = f"{len(found)} messages are readable, all but the last {newest_s:.2f} s"
    return both(Seen(text, bool(found) and newest_s < 1.0), walks_on(bench, 1.0))


LINES = (
    Line(24, "disk full while recording", "the recorder ends with one error; walks on", disk_full),
    Line(25, "power cut while recording", "the file opens, all but the last second is in it", power_cut),
)
