# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The ``tarsus`` command: a table of commands, each loaded only when it is called."""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tarsus_core import __version__
from tarsus_core.errors import ConfigError, TarsusError, suggest

COMMANDS: dict[str, tuple[str, str]] = {
    "sim": ("tarsus_nodes.cli_sim:main", "walk the robot in simulation under ROS 2, and report what was measured"),
    "status": ("tarsus_nodes.cli_status:main", "show a running graph: states, rates, ages, last faults"),
    "teleop": ("tarsus_nodes.teleop_node:command", "drive a running robot with the keyboard"),
    "record": ("tarsus_nodes.recorder_node:main", "record a running graph into an MCAP file"),
    "launch": ("tarsus_edge.launcher.cli:main", "run a ROS 2 launch file: tarsus launch sim [arg:=value ...]"),
    "train": ("tarsus_policies.cli_train:main", "train a policy: tarsus train walk"),
    "curves": ("tarsus_policies.cli_curves:main", "draw the learning curves of training runs, side by side"),
    "play": ("tarsus_policies.cli_play:main", "film what a training run or a policy file does"),
    "export": ("tarsus_policies.cli_export:main", "turn a training run into policy.onnx with its contract"),
    "score": ("tarsus_policies.cli_score:main", "measure how well a policy walks"),
    "bench": ("tarsus_policies.cli_bench:main", "measure speed against the bare engine: tarsus bench sim"),
    "bench loop": ("tarsus_nodes.cli_bench_loop:main", "measure how well the running graph keeps its time"),
    "bench endurance": ("tarsus_nodes.cli_bench_endurance:main", "start and stop a thousand times, walk for an hour"),
    "faults": ("tarsus_nodes.cli_faults:main", "harm the running graph in every known way, and time what it does"),
    "adopt": ("tarsus_policies.cli_adopt:main", "give an ONNX policy of another project a contract"),
    "keygen": ("tarsus_edge.cli_sign:keygen_main", "make a key pair to sign policies with"),
    "sign": ("tarsus_edge.cli_sign:sign_main", "sign a policy file, so that robots can trust it"),
    "verify": ("tarsus_edge.cli_verify:main", "check a policy file and show its contract"),
}
"""Command -> (module:function, one line of help). The function takes the arguments and returns the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become one sentence on standard error."""
    args = list(sys.argv[1:] if argv is None else argv)
    return guard(lambda: _main(args))


def _main(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if args[0] in ("-V", "--version"):
        print(f"tarsus {__version__}")
        return 0
    words = 2 if " ".join(args[:2]) in COMMANDS else 1
    return _dispatch(" ".join(args[:words]), args[words:])


def guard(run: Callable[[], int]) -> int:
    """Call ``run`` and turn what it raises on purpose into one sentence and an exit code."""
    _print_whatever_comes()
    try:
        code = run()
        sys.stdout.flush()  # a closed pipe must show here, and not when the interpreter ends
        return code
    except TarsusError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("Stopped by Ctrl-C.")
        return 130
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        name = f" '{error.filename}'" if error.filename else ""
        _say(f"{error.strerror or error}{name}.")
        return 1


def finite(option: str) -> Callable[[float | None], float | None]:
    """Make a callback of a typer option that refuses NaN and infinity.

    A range alone does not in every version of typer: where it compares as Click does, NaN passes. The callback raises
    ConfigError, naming the option; None, for an option that was not given, passes.

    Args:
        option: its name on the command line, such as ``--seconds``.
    """

    def check(value: float | None) -> float | None:
        if value is not None and not math.isfinite(value):
            raise ConfigError(f"{option} is {value}: give a finite number.")
        return value

    return check


def run_typer(app: Any, prog: str, argv: Sequence[str]) -> int:
    """Run a typer app; a usage error becomes one sentence that ends with the command that teaches.

    The app is duck-typed, so that the core needs no typer.
    """
    try:
        result = app(args=list(argv), prog_name=prog, standalone_mode=False)
    except Exception as error:  # typer's usage errors have no public base that core could import
        message = getattr(error, "format_message", None)
        if message is not None:
            text = " ".join(message().split()).rstrip(".")
            _say(f"{text}{_given(error)}: see '{prog} --help'.")
            return 2
        if type(error).__name__ == "Abort":
            _say("Stopped.")
            return 130
        raise
    if result == 130:  # what typer makes of Ctrl-C
        _say("Stopped by Ctrl-C.")
    return result if isinstance(result, int) else 0


def _print_whatever_comes() -> None:
    """Let what the terminal's encoding lacks (ASCII has no ``…``) come out as ``?`` instead of as an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:  # it may be any object, or None
            stream.reconfigure(errors="replace")


def _given(error: Exception) -> str:
    """Return the value that a usage error is about, where the validator behind it says so."""
    errors = getattr(error.__cause__, "errors", None)
    if not callable(errors):
        return ""
    return f", but it is '{errors()[0].get('input')}'"


def _dispatch(name: str, args: list[str]) -> int:
    if name not in COMMANDS:
        _say(f"There is no command '{name}'{suggest(name, COMMANDS)}: see 'tarsus --help'.")
        return 2
    module_name, function = COMMANDS[name][0].split(":")
    try:
        return int(getattr(importlib.import_module(module_name), function)(args))
    except ModuleNotFoundError as error:  # training imports torch when it starts, not before
        if error.name is None or error.name.startswith("tarsus_"):
            raise
        _say(f"'tarsus {name}' needs the Python package '{error.name}', which is absent: run 'make setup'.")
        return 1


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: tarsus COMMAND [OPTIONS]",
            "",
            "Learned walking for legged robots, from gym to robot.",
            "",
            "Commands:",
            *lines,
            "",
            "'tarsus COMMAND --help' says more of each.",
        ]
    )


def _say(text: str) -> None:
    print(f"tarsus: {' '.join(text.split())}", file=sys.stderr)
