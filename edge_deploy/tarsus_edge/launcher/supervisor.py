# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of a launch: starts processes in their time, watches them, and never leaves one behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tarsus_edge.launcher import guard
from tarsus_edge.launcher.child import Child, StopTimeouts
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.guard_process import GuardProcess
from tarsus_edge.launcher.output import LAUNCHER, Router
from tarsus_edge.launcher.parameters import ParameterDocument
from tarsus_edge.launcher.plan import LaunchPlan, ProcessSpec
from tarsus_edge.launcher.slots import ProcessExit, ProcessState, Slot

POLL_S = 0.05
"""Pause between two looks at what an ended process has left behind (and at exits, on kernels without pidfd)."""


class Supervisor:
    """Runs a plan in the thread that calls ``run``; the ``request_*`` methods are for all other threads.

    Args:
        plan: what to run.
        timeouts: how long processes have to end.
        on_exit: called with the end of each process.
        on_stop: called once with the reason when the launch begins to stop.

    Attributes:
        started: set once every process that starts at once has started, or has failed to.
        failure: what made the launch fail: a process that could not start, or the error of a callback.
        stop_reason: why the launch stops or stopped.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        timeouts: StopTimeouts,
        on_exit: Callable[[ProcessExit], None] | None,
        on_stop: Callable[[str], None] | None,
    ) -> None:
        self.started = threading.Event()
        self.failure: BaseException | None = None
        self.stop_reason: str | None = None
        self._timeouts = timeouts
        self._on_exit = on_exit
        self._on_stop = on_stop
        self._launch_id = uuid.uuid4().hex
        # The number ends in a slash, so that the mark of process 1 is not the beginning of that of process 10.
        self._slots = [Slot(spec, f"{self._launch_id}/{number}/") for number, spec in enumerate(plan.processes, 1)]
        self._messages = deque(sorted(plan.messages, key=lambda message: message.after_s))
        self._requests: deque[str | None] = deque()
        self._start_s = 0.0
        self._wake_send: socket.socket | None = None

    @property
    def states(self) -> tuple[ProcessState, ...]:
        """State of each process, in the order of the plan."""
        return tuple(slot.state for slot in self._slots)

    @property
    def all_well(self) -> bool:
        """True when no process has had a bad end (for one that respawned, the last end counts)."""
        return all(slot.well for slot in self._slots)

    def request_stop(self, reason: str) -> None:
        """Ask for the stop of everything."""
        self._requests.append(reason)
        self._wake()

    def request_escalation(self) -> None:
        """Ask for the next signal at once; without effect before the stop."""
        self._requests.append(None)
        self._wake()

    def run(self, router: Router) -> None:
        """Run until every process has ended.

        Args:
            router: where lines go.

        Raises:
            LaunchError: the launcher's own guard process cannot be started.
        """
        self._router = router
        folder = tempfile.mkdtemp(prefix="launch_params_")
        self._folder = Path(folder)
        # Sockets and not a pipe: a late send to a closed socket is an error, to a closed pipe it may hit another file.
        self._wake_receive, self._wake_send = socket.socketpair()
        self._wake_receive.setblocking(False)
        self._wake_send.setblocking(False)
        try:
            with (
                GuardProcess(self._launch_id, self._timeouts.sigkill_s, folder) as self._guard,
                selectors.DefaultSelector() as self._selector,
            ):
                self._selector.register(self._wake_receive, selectors.EVENT_READ)
                try:
                    self._loop()
                finally:
                    self._kill_rest()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._wake_send.close()
            self._wake_receive.close()

    def _wake(self) -> None:
        # Without a socket the loop has not begun, and looks at requests first; when its buffer is full the loop wakes
        # anyway; when it is closed the loop has ended.
        if self._wake_send is not None:
            with contextlib.suppress(OSError):
                self._wake_send.send(b"x")

    def _loop(self) -> None:
        self._start_s = time.monotonic()
        for slot in self._slots:
            slot.start_at_s = self._start_s + slot.spec.start_after_s
        self._start_due(self._start_s)
        self.started.set()
        self._serve_requests(self._start_s)
        while any(slot.pending for slot in self._slots) or (self._messages and self.stop_reason is None):
            for key, _ in self._selector.select(self._pause_s()):
                if key.fileobj is self._wake_receive:
                    self._wake_receive.recv(4096)
                elif isinstance(key.data, Child) and not key.data.read(key.fd):
                    self._selector.unregister(key.fd)
            now_s = time.monotonic()
            self._serve_requests(now_s)
            for slot in self._slots:
                if slot.child is not None:
                    self._watch(slot, slot.child, now_s)
            self._start_due(now_s)

    def _pause_s(self) -> float | None:
        """How long nothing will happen by itself, at most; None for ever."""
        due = [slot.due_s for slot in self._slots if slot.pending]
        if self._messages:
            due.append(self._start_s + self._messages[0].after_s)
        if any(slot.child is not None and (slot.leaving or slot.child.pidfd is None) for slot in self._slots):
            due.append(time.monotonic() + POLL_S)
        first = min(due, default=float("inf"))
        return None if first == float("inf") else max(0.0, first - time.monotonic())

    def _serve_requests(self, now_s: float) -> None:
        while self._requests:
            reason = self._requests.popleft()
            if reason is not None:
                self._begin_stop(reason, now_s)
            elif self.stop_reason is not None:
                for slot in self._slots:
                    if slot.child is not None:
                        slot.child.escalate(now_s)

    def _begin_stop(self, reason: str, now_s: float) -> None:
        if self.stop_reason is not None:
            return
        self.stop_reason = reason
        if any(slot.pending for slot in self._slots):
            self._router.say("INFO", LAUNCHER, f"stopping: {reason}")
        for slot in self._slots:
            slot.start_at_s = None
            if slot.child is not None:
                slot.child.stop(now_s)
        self._call(self._on_stop, reason)

    def _start_due(self, now_s: float) -> None:
        while self._messages and now_s >= self._start_s + self._messages[0].after_s:
            self._router.say("INFO", "launch.user", self._messages.popleft().text)
        for slot in self._slots:
            if slot.start_at_s is None or now_s < slot.start_at_s:
                continue
            slot.start_at_s = None
            try:
                self._start(slot)
            except OSError as error:
                problem = LaunchError(
                    f"[{slot.spec.name}] cannot be started ({error.strerror or error}): see its command with --print."
                )
                slot.fail()
                if not self.started.is_set():
                    self.failure = problem
                self._router.say("ERROR", slot.spec.name, str(problem))
                if slot.spec.required or not self.started.is_set():
                    self._begin_stop(str(problem), now_s)

    def _start(self, slot: Slot) -> None:
        command = [self._word(slot.spec, number, word) for number, word in enumerate(slot.spec.command)]
        child = Child(slot.spec, command, slot.launch_id, self._timeouts, self._router)
        slot.began(child)
        self._guard.tell(f"+{child.pid}")
        for descriptor in child.pipes:
            self._selector.register(descriptor, selectors.EVENT_READ, child)
        if child.pidfd is not None:
            self._selector.register(child.pidfd, selectors.EVENT_READ)

    def _word(self, spec: ProcessSpec, number: int, word: str | ParameterDocument) -> str:
        if isinstance(word, str):
            return word
        path = self._folder / f"{spec.name.replace(os.sep, '_')}_{number}.yaml"
        path.write_text(word.to_yaml(), encoding="utf-8")
        return str(path)

    def _watch(self, slot: Slot, child: Child, now_s: float) -> None:
        if not slot.leaving and child.check_exit():
            slot.leaving = True
            if child.pidfd is not None:
                self._selector.unregister(child.pidfd)
        left = child.left_behind() if slot.leaving else [(child.pid, child.pid)]
        if not left or not child.tick(now_s):
            self._end(slot, child, [pid for pid, _ in left], now_s)
        elif slot.leaving:
            child.stop(now_s)

    def _end(self, slot: Slot, child: Child, stuck: list[int], now_s: float) -> None:
        for descriptor in child.pipes:
            self._selector.unregister(descriptor)
        if child.pidfd is not None and not slot.leaving:
            self._selector.unregister(child.pidfd)
        child.release()
        self._guard.tell(f"-{child.pid}")
        name, required = slot.spec.name, slot.spec.required
        stopping = self.stop_reason is not None
        code = slot.ended(stopping)
        if stuck:
            self._router.say("ERROR", name, f"the kernel does not let go of process {stuck}: a device may hold it")
        if slot.well:
            self._router.say("INFO", name, f"process has finished cleanly [pid {child.pid}]")
        else:
            self._router.say("ERROR", name, f"process has died [pid {child.pid}, exit code {code}]")
        respawns = slot.wants_respawn and not required and not stopping
        self._call(self._on_exit, ProcessExit(name, slot.spec.node, child.pid, code, stopping, respawns))
        if required:
            self._begin_stop(f"[{name}] was required and has ended with exit code {code}", now_s)
        elif respawns and self.stop_reason is None:
            slot.start_at_s = now_s + slot.spec.respawn_delay_s

    def _kill_rest(self) -> None:
        """End every process for good; there is one only when the loop itself has failed."""
        deadline_s = time.monotonic() + guard.GIVE_UP_S
        for slot in self._slots:
            while slot.child is not None:
                slot.child.kill()
                gone = slot.child.check_exit() and not slot.child.left_behind()
                if gone or time.monotonic() > deadline_s:
                    slot.child.release()
                    slot.ended(stopping=False)
                else:
                    time.sleep(POLL_S)

    def _call(self, callback: Callable[..., None] | None, argument: object) -> None:
        if callback is None:
            return
        try:
            callback(argument)
        except Exception as error:
            self.failure = error
            self._router.say("ERROR", LAUNCHER, f"a callback failed ({type(error).__name__}: {error})")
            self._begin_stop("a callback failed", time.monotonic())
