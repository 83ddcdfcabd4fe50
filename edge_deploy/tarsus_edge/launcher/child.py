# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""One process of a launch, with everything that it has started: start, exit, and the ladder of signals to its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tarsus_edge.launcher.guard import GIVE_UP_S, MARKER, members, send
from tarsus_edge.launcher.output import LineSplitter, Router
from tarsus_edge.launcher.plan import ProcessSpec

EXEC_CHILD = Path(__file__).resolve().with_name("exec_child.py")
LADDER = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
READ_BYTES = 65_536
LAST_READS = 16
"""How many pieces are still read from a pipe after the end: a pipe holds 64 KiB, or 1 MiB at most."""

UNKNOWN_EXIT_CODE = 255


@dataclass(frozen=True)
class StopTimeouts:
    """How long a process has for each step of its end.

    Attributes:
        sigterm_s: seconds from SIGINT to SIGTERM.
        sigkill_s: seconds from SIGTERM to SIGKILL.
    """

    sigterm_s: float = 5.0
    sigkill_s: float = 5.0


class Child:
    """A running process in a session of its own.

    It counts as ended when its own program has exited and no process is left that it has started, whatever session that
    one has moved to. All methods belong to one thread, the one that made the child: the kernel ties the child's life to
    that thread (PR_SET_PDEATHSIG).

    Args:
        spec: what to run.
        command: its command, with parameter files written.
        launch_id: value of the marker in the environment; different for each process of a launch.
        timeouts: used where ``spec`` has none.
        router: where its lines go.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, spec: ProcessSpec, command: list[str], launch_id: str, timeouts: StopTimeouts, router: Router
    ) -> None:
        self.spec = spec
        self.returncode: int | None = None
        self._launch_id = launch_id
        self._router = router
        self._timeouts = timeouts
        self._step = -1
        self._next_step_s = float("inf")
        # A SIGINT that came while exec_child still starts its Python would be lost, or end it with a traceback: it
        # waits until that has undone the block.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(EXEC_CHILD), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=spec.folder,
                env={**spec.environment, MARKER: launch_id},
                start_new_session=True,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.pid = self._process.pid
        self.pidfd = _open_pidfd(self.pid)
        assert self._process.stdout is not None and self._process.stderr is not None
        self._pipes = {self._process.stdout.fileno(): LineSplitter(), self._process.stderr.fileno(): LineSplitter()}
        self._error_pipe = self._process.stderr.fileno()
        for pipe in self._pipes:
            os.set_blocking(pipe, False)
        router.say("INFO", spec.name, f"process started with pid [{self.pid}]")

    @property
    def pipes(self) -> list[int]:
        """File descriptors that are still open for reading."""
        return list(self._pipes)

    def read(self, pipe: int) -> bool:
        """Pass on one piece of what ``pipe`` holds; return False when it is at its end.

        One piece, so that a process that never stops talking does not keep the launcher from its other work.
        """
        try:
            data = os.read(pipe, READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        splitter = self._pipes[pipe]
        self._pass_on(pipe, splitter.feed(data) if data else splitter.finish())
        if not data:
            del self._pipes[pipe]
        return bool(data)

    def check_exit(self) -> bool:
        """Return True when the program itself has exited, whose exit code is then known.

        The process stays a zombie, so that nobody else gets its number while it is still used as that of a session.
        """
        if self.returncode is None:
            try:
                status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                # Somebody else in this program has waited for it.
                self.returncode = UNKNOWN_EXIT_CODE
                return True
            if status is not None:
                self.returncode = status.si_status if status.si_code == os.CLD_EXITED else -status.si_status
        return self.returncode is not None

    def left_behind(self) -> list[tuple[int, int]]:
        """Return (process id, process group) of all live processes that belong to this one, itself included."""
        return members(self._launch_id, (self.pid,))

    def stop(self, now_s: float) -> None:
        """Send SIGINT, unless that has been done; SIGTERM and SIGKILL follow in their time."""
        if self._step < 0:
            self._climb(now_s)

    def escalate(self, now_s: float) -> None:
        """Go to the next signal at once."""
        self._climb(now_s)

    def kill(self) -> None:
        """Send SIGKILL at once."""
        self._signal(signal.SIGKILL)

    def tick(self, now_s: float) -> bool:
        """Send what is due; return False once the kernel does not let go of what SIGKILL was sent to."""
        if now_s >= self._next_step_s:
            if self._step == len(LADDER) - 1:
                return False
            previous = LADDER[self._step]
            self._climb(now_s)
            self._router.say(
                "WARN",
                self.spec.name,
                f"process[{self.pid}] has not ended upon {previous.name}: sending {LADDER[self._step].name}",
            )
        elif self._step == len(LADDER) - 1:
            self._signal(signal.SIGKILL)
        return True

    @property
    def next_step_s(self) -> float:
        """When ``tick`` has something to do."""
        return self._next_step_s

    def release(self) -> None:
        """Read what is left in the pipes, reap the process, close everything. Call once, when all has ended."""
        for _ in range(LAST_READS):
            for pipe in self.pipes:
                self.read(pipe)
        for pipe in self.pipes:
            self._pass_on(pipe, self._pipes.pop(pipe).finish())
        if self.pidfd is not None:
            os.close(self.pidfd)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        # Reaps the zombie; a process that cannot be killed is left to the kernel.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.1)

    def _pass_on(self, pipe: int, lines: list[str]) -> None:
        for line in lines:
            self._router.process_line(self.spec.name, self.spec.output, pipe == self._error_pipe, line)

    def _climb(self, now_s: float) -> None:
        self._step = min(self._step + 1, len(LADDER) - 1)
        spec, timeouts = self.spec, self._timeouts
        sigterm_s = timeouts.sigterm_s if spec.sigterm_timeout_s is None else spec.sigterm_timeout_s
        sigkill_s = timeouts.sigkill_s if spec.sigkill_timeout_s is None else spec.sigkill_timeout_s
        self._next_step_s = now_s + (sigterm_s, sigkill_s, GIVE_UP_S)[self._step]
        self._signal(LADDER[self._step])

    def _signal(self, number: signal.Signals) -> None:
        # The group at one blow, as a terminal does, then what has moved out of it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        for pid, group in self.left_behind():
            if group != self.pid:
                send(pid, number)


def _open_pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process exits; None on kernels before 5.3."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
