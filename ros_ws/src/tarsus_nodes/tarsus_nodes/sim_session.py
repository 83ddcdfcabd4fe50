# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""One run of ``tarsus sim``: the launch file's processes, an operator in this process, and the film afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, cast

from rich.console import Console
from rich.progress import TimeElapsedColumn, TimeRemainingColumn

from tarsus_core.errors import TarsusError
from tarsus_edge.launcher import LaunchPlan, LaunchRun, ProcessExit, find_launch_file, load_plan
from tarsus_edge.progress import progress_bar
from tarsus_nodes.operator_client import OperatorClient, OperatorError
from tarsus_nodes.operator_run import OperatorRun
from tarsus_nodes.ros_domain import VARIABLE, claimed_domain
from tarsus_nodes.script import ros_script
from tarsus_nodes.sim_request import SimRequest
from tarsus_nodes.transport import LOCAL, RANGE

QUIET = re.compile(r"^\[(?:INFO|DEBUG)\]|\] \[(?:INFO|DEBUG)\] |pybullet build time")
"""lines of nodes and launcher that are no news to the user of ``tarsus sim``"""
SIGNAL_PAUSE_S = 0.3
"""a terminal may send one Ctrl-C twice"""


class Interrupted(TarsusError):
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(
            "Stopped by Ctrl-C." if number == signal.SIGINT else f"Stopped by {signal.Signals(number).name}."
        )
        self.exit_code = 128 + number


def run_session(request: SimRequest, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run what was asked for, and return the results, ready for JSON; no process is left when this returns or raises.

    Args:
        request: what to run.
        report: called with the results once the robot has walked, before the film is made of it.

    Raises:
        TarsusError: when something cannot start or breaks on the way, or a signal ends the run.
    """
    with contextlib.ExitStack() as stack:
        domain = stack.enter_context(simulation_domain())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tarsus-sim-")))
        record = folder / "recording.npz" if request.video is not None else None
        arguments = launch_arguments(request, record)
        plan = load_plan(find_launch_file("sim"), arguments)
        with Display() as display:
            result = Session(request, domain, display).run(plan)
        result |= {"seed": request.seed, "robot": request.robot.name, "ros_domain_id": domain}
        report(result)  # without a display, which would take standard output for its own
        if record is not None and request.video is not None:
            with Display() as display:
                _film(request, record, display)
    return result


@contextlib.contextmanager
def simulation_domain() -> Iterator[int]:
    """Hold a ROS domain for one simulation, and put this process and those it starts on it, on this machine alone."""
    os.environ.setdefault(RANGE, LOCAL)  # first: the middleware reads it but once
    with claimed_domain(os.environ) as domain:
        os.environ[VARIABLE] = str(domain)
        yield domain


def launch_arguments(request: SimRequest, record: Path | None) -> dict[str, str]:
    """Arguments of ``sim.launch.xml`` for a run."""
    arguments = {
        "policy": str(request.policy),
        "robot": request.robot_name,
        "lockstep": str(request.lockstep).lower(),
        "gui": str(request.gui).lower(),
        "seed": str(request.seed),
    }
    if record is not None:
        arguments["record"] = str(record)
    if request.lockstep:
        # held at the start until the operator comes; a command stays valid however fast simulated time runs
        arguments |= {"run_until_s": "0.0", "cmd_vel_timeout_s": "60.0"}
    return arguments


class Display:
    """Standard error: a progress bar if it is a terminal, else a line for each step; and what nodes say of trouble."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._progress = progress_bar(TimeElapsedColumn(), TimeRemainingColumn())
        self.console = self._progress.console
        self._task = self._progress.add_task("starting", total=1.0)
        self._said = ""
        self.nodes = NodeOutput(self.console)

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, what: str, part: float) -> None:
        """Show what happens now, and the part of it that is done (0 to 1)."""
        if what != self._said:
            self._said = what
            self._progress.reset(self._task, description=what)
            if not self.console.is_terminal:
                self.tell(f"tarsus sim: {what}")
        self._progress.update(self._task, completed=max(0.0, min(1.0, part)))

    def tell(self, text: str) -> None:
        """Print text above the bar."""
        self.console.print(text, markup=False, soft_wrap=True)


class NodeOutput:
    """Where the launch's output goes: warnings and errors to the display, the rest nowhere."""

    def __init__(self, console: Console) -> None:
        """Begin to listen."""
        self._console = console
        self.muted = False
        """whether even errors are held back: nodes that are told to stop say so"""

    def write(self, text: str) -> int:
        """Take whole lines."""
        for line in text.splitlines():
            if not self.muted and line.strip() and not QUIET.search(line):
                self._console.print(line, markup=False, soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""


class Session:
    """The launch and the operator side by side, with signals and deaths of nodes looked after."""

    def __init__(self, request: SimRequest, domain: int, display: Display) -> None:
        """Prepare; nothing starts."""
        self._request = request
        self._domain = domain
        self._display = display
        self._signal: int | None = None
        self._dead: ProcessExit | None = None
        self._launch: LaunchRun | None = None

    def run(self, plan: LaunchPlan) -> dict[str, Any]:
        """Launch the plan, operate it, stop it, and return the results."""
        screen = cast(TextIO, self._display.nodes)
        self._launch = launch = LaunchRun(plan, screen=screen, on_exit=self._on_exit)
        with self._signals(launch), ros_script(own_signals=False), launch:
            client = OperatorClient(check=self._check)
            try:
                result = self._operate(OperatorRun(client, self._display.say), client)
            finally:
                self._display.nodes.muted = True
                self._display.say("stopping", 0.0)
                client.close()
        return result

    def _operate(self, operator: OperatorRun, client: OperatorClient) -> dict[str, Any]:
        operator.wait_for_graph()
        operator.stand_up()
        if not self._request.endless:
            result = operator.walk(self._request.plan)
            if operator.reason:
                self._display.tell(f"tarsus sim: {operator.reason}")
            return result
        self._display.tell(how_to_drive(self._domain, any(self._request.plan.command)))
        with contextlib.suppress(Interrupted):
            operator.walk_on(self._request.plan, self._display.tell)
        self._signal = None  # a second one ends the collecting of results, too
        return operator.finish()

    def _check(self) -> None:
        """Called while the operator waits."""
        if self._signal is not None:
            raise Interrupted(self._signal)
        if self._dead is not None:
            raise OperatorError(
                f"'{self._dead.name}' ended by itself ({_ending(self._dead.returncode)}): the run is over."
            )
        if self._launch is not None and self._launch.stop_reason is not None:
            raise OperatorError(f"The launch stopped: {self._launch.stop_reason}.")

    def _on_exit(self, exit: ProcessExit) -> None:
        if not exit.stopping and self._dead is None:
            self._dead = exit

    @contextlib.contextmanager
    def _signals(self, launch: LaunchRun) -> Iterator[None]:
        """The first signal ends the run in order; each later one hurries the nodes' end."""
        last_s = -SIGNAL_PAUSE_S

        def handle(number: int, _frame: FrameType | None) -> None:
            nonlocal last_s
            now_s = time.monotonic()
            if now_s - last_s < SIGNAL_PAUSE_S:
                return
            last_s = now_s
            if self._signal is not None:
                launch.stop("interrupted again")
                launch.escalate()
            self._signal = number

        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        previous = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def how_to_drive(domain: int, walks: bool) -> str:
    """What to type in other terminals, to drive a robot that walks (or stands) until Ctrl-C."""
    program = shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "tarsus" else "tarsus"
    return f"""\
The robot {"walks" if walks else "stands"} under the policy, on ROS domain {domain}. To drive it from another terminal:
  {VARIABLE}={domain} {program} teleop
or with ROS 2:
  export {VARIABLE}={domain} {RANGE}={LOCAL}
  ros2 topic pub -r 20 /cmd_vel geometry_msgs/msg/TwistStamped '{{twist: {{linear: {{x: 0.5}}}}}}'
  ros2 service call /supervisor/damp std_srvs/srv/Trigger     (the emergency stop)
  after that: the services /supervisor/reset, /sim/reset, /supervisor/arm, stand, walk, and /sim/release
Ctrl-C here ends the simulation."""


def _film(request: SimRequest, record: Path, display: Display) -> None:
    from tarsus_sim.recording import Recording  # PyBullet comes with it, and says hello on standard error
    from tarsus_sim.video import make_video

    if not record.is_file():
        raise OperatorError("The simulator left no recording: there is no video.")
    assert request.video is not None
    make_video(
        Recording.load(record),
        request.robot,
        request.video,
        tell=lambda done, count: display.say("filming", done / count),
    )
    display.tell(f"Video: {request.video}")


def _ending(returncode: int) -> str:
    return f"killed by {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"
