# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Running a plan from a program: a launch in a thread of its own, as a context manager."""

from __future__ import annotations

import atexit
import datetime
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TextIO

from tarsus_core.errors import TarsusError
from tarsus_edge.launcher.child import StopTimeouts
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.output import LAUNCHER, Router, log_root, make_log_folder
from tarsus_edge.launcher.plan import LaunchPlan
from tarsus_edge.launcher.slots import ProcessExit, ProcessState
from tarsus_edge.launcher.supervisor import Supervisor

FLUSH_S = 2.0
"""Longest wait for a slow terminal to take the last lines."""

SIGNAL_PAUSE_S = 0.3
"""Signals that come closer together count as one: closing a terminal may send several."""


class LaunchRun:
    """A launch that runs in a thread of its own.

    Use it as a context manager: entering starts all processes that start at once, leaving stops and waits for them all.
    The methods may be called from any thread; ``stop`` and ``escalate`` also from signal handlers and callbacks.

    Args:
        plan: what to run.
        screen: where output for the screen goes; ``sys.stderr`` by default.
        on_exit: called from the launch's thread whenever a process has ended, with all it had started.
        on_stop: called once, from the launch's thread, with the reason, when the launch begins to stop.
        timeouts: how long processes have from SIGINT to SIGTERM and from that to SIGKILL.
        log_folder: folder below which this launch logs; ROS's log folder by default.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        *,
        screen: TextIO | None = None,
        on_exit: Callable[[ProcessExit], None] | None = None,
        on_stop: Callable[[str], None] | None = None,
        timeouts: StopTimeouts | None = None,
        log_folder: Path | None = None,
    ) -> None:
        self.plan = plan
        self._screen = screen
        self._log_folder = log_folder
        self._supervisor = Supervisor(plan, timeouts or StopTimeouts(), on_exit, on_stop)
        self._finished = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    @property
    def processes(self) -> tuple[ProcessState, ...]:
        """State of each process, in the order of the plan."""
        return self._supervisor.states

    @property
    def exit_codes(self) -> dict[str, int | None]:
        """Exit code of each process by its label: negative for a signal, None when it runs or never started."""
        return {state.name: state.returncode for state in self.processes}

    @property
    def stop_reason(self) -> str | None:
        """Why the launch stops or stopped; None before, and when all processes ended by themselves."""
        return self._supervisor.stop_reason

    @property
    def finished(self) -> bool:
        """True when everything has ended."""
        return self._finished.is_set()

    @property
    def exit_code(self) -> int:
        """0 when every process that started ended well, else 1.

        Well means exit code 0; or, once the launch was stopping, the end by SIGINT or SIGTERM. For a process that
        respawned its last end counts.
        """
        failed = self._failure is not None or self._supervisor.failure is not None
        return 1 if failed or not self._supervisor.all_well else 0

    def start(self) -> None:
        """Start, and return once every process that starts at once is there.

        Raises:
            LaunchError: something cannot be started; nothing is left running.
        """
        if self._thread is not None:
            raise LaunchError("This launch was started before: make another LaunchRun.")
        folder = make_log_folder(self._log_folder or log_root(os.environ), datetime.datetime.now())
        router = Router(self._screen or sys.stderr, folder, lambda: self.stop("nobody reads the output any more"))
        router.say("INFO", LAUNCHER, f"All log files can be found below {folder}")
        self._thread = threading.Thread(target=self._run, args=(router,), name="launch", daemon=True)
        atexit.register(self.close)
        try:
            self._thread.start()
            self._supervisor.started.wait()
        except BaseException:
            self.close()
            raise
        if self._supervisor.failure is not None or self._failure is not None:
            self.wait()

    def stop(self, reason: str) -> None:
        """Begin to stop all processes: SIGINT, later SIGTERM, later SIGKILL. Returns at once; again is no harm."""
        self._supervisor.request_stop(reason)

    def escalate(self) -> None:
        """While stopping, go to the next signal at once."""
        self._supervisor.request_escalation()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything has ended; return False when that takes longer than ``timeout_s``.

        Raises:
            TarsusError: the launch itself failed, or a callback raised this error.
        """
        if not self._finished.wait(timeout_s):
            return False
        failure = self._failure or self._supervisor.failure
        if isinstance(failure, TarsusError):
            raise failure
        if failure is not None:
            raise RuntimeError("the launch failed") from failure
        return True

    def close(self) -> None:
        """Stop everything and wait for the end; Ctrl-C meanwhile goes to the next signal at once."""
        if self._thread is None:
            return
        self.stop("the launch was closed")
        if self._thread is threading.current_thread():
            return
        while not self._finished.is_set():
            try:
                self._finished.wait()
            except KeyboardInterrupt:
                self.escalate()
        self._thread.join()

    def __enter__(self) -> LaunchRun:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, router: Router) -> None:
        try:
            self._supervisor.run(router)
        except BaseException as error:
            self._failure = error
        finally:
            router.close(FLUSH_S)
            self._finished.set()
            self._supervisor.started.set()
            atexit.unregister(self.close)


@contextmanager
def stopped_by_signals(run: LaunchRun) -> Iterator[None]:
    """Within the block, SIGINT, SIGTERM, SIGHUP and SIGQUIT stop ``run``; another one goes to the next step at once.

    For the main thread. An ignored SIGHUP (``nohup``) stays ignored. Ctrl-Z is ignored, because a suspended launcher
    watches nothing while its processes go on.
    """
    last_s = float("-inf")

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if last_s == float("-inf"):
            what = "ctrl-c (SIGINT)" if number == signal.SIGINT else signal.Signals(number).name
            run.stop(f"user interrupted with {what}")
        elif now_s - last_s >= SIGNAL_PAUSE_S:
            run.escalate()
        last_s = now_s

    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, handle) for number in numbers}
    previous[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_in_foreground(
    plan: LaunchPlan, screen: TextIO, *, timeouts: StopTimeouts | None = None, log_folder: Path | None = None
) -> int:
    """Run ``plan`` until it ends or a signal stops it, and return the exit code, see ``LaunchRun.exit_code``.

    Raises:
        LaunchError: something cannot be started.
    """
    run = LaunchRun(plan, screen=screen, timeouts=timeouts, log_folder=log_folder)
    with stopped_by_signals(run), run:
        run.wait()
    return run.exit_code
