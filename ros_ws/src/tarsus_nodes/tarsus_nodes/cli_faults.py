# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus faults``: harm the real graph in every way of the table, and see what it does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from tarsus_core.cli import run_typer
from tarsus_core.errors import ConfigError, TarsusError
from tarsus_edge.progress import progress_bar
from tarsus_nodes.faults import camera_lines, file_lines, message_lines, operator_lines, process_lines, recorder_lines
from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.cable import Cable, UnavailableError
from tarsus_nodes.faults.table import Line, Seen, Verdict, render
from tarsus_nodes.realtime import PRIORITY, Realtime
from tarsus_nodes.script import interruptible, ros_script
from tarsus_nodes.sim_session import simulation_domain

app = typer.Typer(add_completion=False)
LINES: tuple[Line, ...] = tuple(
    sorted(
        (
            *(*process_lines.LINES, *message_lines.LINES, *operator_lines.LINES),
            *(*file_lines.LINES, *recorder_lines.LINES, *camera_lines.LINES),
        ),
        key=lambda line: line.number,
    )
)


def chosen(numbers: Sequence[str]) -> list[Line]:
    """Lines by number: ``5`` is all of 5.1, 5.2 and so on; no number is all lines.

    Raises:
        ConfigError: for a number that no line has.
    """
    if not numbers:
        return list(LINES)
    found: list[Line] = []
    for number in numbers:
        mine = [line for line in LINES if number in (f"{line.number:g}", f"{int(line.number)}")]
        if not mine:
            known = ", ".join(f"{line.number:g}" for line in LINES)
            raise ConfigError(f"There is no fault '{number}': the numbers are {known}.")
        found += [line for line in mine if line not in found]
    return found


def in_graphs(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Lines that can share a graph; a line that ends it for others has one of its own."""
    shared: dict[tuple[bool, ...], list[Line]] = {}
    for line in lines:
        if not line.last:
            shared.setdefault((line.wired, line.simulated_time, line.any_process), []).append(line)
    yield from shared.values()
    for line in lines:
        if line.last:
            yield [line]


def run_lines(
    lines: Sequence[Line],
    tell: Progress,
    cable: Cable | UnavailableError | None,
    realtime: Realtime,
    check: Callable[[], None],
) -> list[Verdict]:
    """Run lines in as few graphs as can be, and return their verdicts in the order of the table.

    ``check`` is called while waiting; what it raises ends it all.
    """
    verdicts: list[Verdict] = []
    task = tell.add_task("starting", total=len(lines))
    with simulation_domain(), ros_script(own_signals=False):
        for group in in_graphs(lines):
            left = list(group)
            while left:  # a graph that breaks is a failed line, and the next line gets a new one
                try:
                    with _bench(group[0], cable, realtime, check) as bench:
                        while left:
                            tell.update(task, description=left[0].fault)
                            verdicts.append(_run(left.pop(0), bench))
                            tell.advance(task)
                            if verdicts[-1].passed is False:
                                break
                except TarsusError as error:
                    if not left:
                        raise
                    passed = None if isinstance(error, UnavailableError) else False
                    verdicts.append(Verdict.of(left.pop(0), Seen(str(error), passed), 0))
                    tell.advance(task)
    return sorted(verdicts, key=lambda v: v.number)


def _bench(
    line: Line, cable: Cable | UnavailableError | None, realtime: Realtime, check: Callable[[], None]
) -> FaultBench:
    if line.cabled and isinstance(cable, UnavailableError):
        raise cable
    return FaultBench(
        wired=line.wired,
        arguments={"collision_monitor": "true"} if line.camera else None,
        simulated_time=line.simulated_time,
        own_wall_clock=line.own_wall_clock,
        cable=cable if line.cabled and isinstance(cable, Cable) else None,
        realtime=None if line.any_process else realtime,
        check=check,
    )


@contextmanager
def _cable(lines: Sequence[Line]) -> Iterator[Cable | UnavailableError | None]:
    """A cable where a line needs one, or why there is none. It comes first: DDS looks for networks once a process."""
    if not any(line.cabled for line in lines):
        yield None
        return
    with ExitStack() as stack:
        found: Cable | UnavailableError
        try:
            found = stack.enter_context(Cable())
        except UnavailableError as error:
            found = error
        yield found


def _run(line: Line, bench: FaultBench) -> Verdict:
    try:
        seen = line.run(bench)
    except TarsusError as error:
        seen = Seen(str(error), False)
    return Verdict.of(line, seen, bench.witness.check.take_unsafe())


@app.command()
def faults(
    numbers: Annotated[list[str] | None, typer.Argument(metavar="[NUMBER]...", help="Lines; all if none.")] = None,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="Run so many times, and compare the verdicts.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; the tables go to standard error.")] = False,
) -> int:
    """Inject faults into the real graph, in strict real time, and print what it did about them.

    A robot walks in simulation, in the processes that run on the robot, too. Processes are killed and stopped, messages
    lost, delayed and spoiled by a relay between the nodes, buttons pressed, a network cable pulled (that needs root).
    The nodes run by SCHED_FIFO as far as the system grants it, as on a robot. Exit code 1 if a line fails, or its
    verdict changes from one time to the next. Close other programs first: reactions are timed. Ten minutes.
    """
    lines = chosen(numbers or [])
    runs: list[list[Verdict]] = []
    realtime = replace(Realtime.granted(PRIORITY), awake=False)  # ten minutes of it are too much for a shared machine
    # a signal that comes while there is a cable must let it be removed
    with interruptible() as check, _cable(lines) as cable:
        for _ in range(repeat):
            check()
            with progress_bar(MofNCompleteColumn(), TimeElapsedColumn()) as progress:
                runs.append(run_lines(lines, progress, cable, realtime, check))
            _show(runs[-1], Console(highlight=False, stderr=as_json))
    stable = all([v.passed for v in run] == [v.passed for v in runs[0]] for run in runs)
    if as_json:
        found = {"runs": [[v.as_dict() for v in run] for run in runs], "stable": stable, **realtime.as_dict()}
        print(json.dumps(found, allow_nan=False))
    else:
        if not realtime.priority:
            print("The nodes ran as any process: this system grants no SCHED_FIFO ('ulimit -r 80' or CAP_SYS_NICE do).")
        if repeat > 1:
            print("The verdicts are the same each time." if stable else "The verdicts differ from time to time.")
    return 0 if stable and all(v.passed is not False for run in runs for v in run) else 1


def _show(run: list[Verdict], console: Console) -> None:
    console.print(render(run))
    counts = Counter(v.passed for v in run)
    skipped = f", {counts[None]} cannot be run here" if counts[None] else ""
    console.print(f"{counts[True]} of {len(run)} lines pass{skipped}.")


def main(argv: Sequence[str]) -> int:
    """Entry of the command table."""
    return run_typer(app, "tarsus faults", argv)
