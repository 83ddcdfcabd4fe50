# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus launch``: runs ROS 2 launch XML files on a machine that has no ROS."""

from __future__ import annotations

import sys
from pathlib import Path

from tarsus_edge.launcher.arguments import describe_arguments, parse_arguments
from tarsus_edge.launcher.errors import LaunchError, nearest
from tarsus_edge.launcher.loading import find_launch_file, load_declared, load_plan
from tarsus_edge.launcher.run import run_in_foreground

HELP = """\
Usage: tarsus launch NAME|FILE|PACKAGE FILE [ARGUMENT:=VALUE ...] [OPTIONS]

Run a ROS 2 launch XML file without a ROS installation, as 'ros2 launch' would run it.

  tarsus launch sim                        launch/sim.launch.xml of the package tarsus
  tarsus launch tarsus sim.launch.xml      the same, in the words of ros2 launch
  tarsus launch path/to/my.launch.xml      any file
  tarsus launch sim policy:=my.onnx        with a launch argument

Options:
  -s, --show-args  Show the launch arguments and run nothing.
  -p, --print      Show the commands that would run, and run nothing.
  -h, --help       Show this.

Ctrl-C stops all processes: SIGINT, after 5 s SIGTERM, after 5 s more SIGKILL; a second Ctrl-C goes to the next step.
The exit code is 0 when all processes ended well, 1 when one did not, 2 when nothing was run for what the file or an
argument says.

Tags: arg let include group node executable set_env unset_env timer set_parameter set_remap push_ros_namespace log,
with if and unless. Substitutions: $(var) $(env) $(find-pkg-share) $(find-pkg-prefix) $(dirname) $(filename) $(not)
$(and) $(or) $(equals) $(not-equals) $(if). $(eval) and $(command) execute code and are refused. So is an argument that
no file declares, where ros2 launch says nothing."""

_OPTIONS = {
    "-s": "show",
    "--show-args": "show",
    "--show-arguments": "show",
    "-p": "print",
    "--print": "print",
    "--print-description": "print",
    "-h": "help",
    "--help": "help",
}


def main(argv: list[str]) -> int:
    """Run ``tarsus launch`` with its arguments and return the exit code.

    Raises:
        LaunchError: a file, an argument, or what the file names cannot be used; nothing is left running.
    """
    words = [word for word in argv if not word.startswith("-")]
    options = [_option(word) for word in argv if word.startswith("-")]
    if "help" in options:
        print(HELP)
        return 0
    path, given = _target(words)
    arguments = parse_arguments(given)
    if "show" in options and "print" in options:
        raise LaunchError("--show-args and --print exclude each other: give one.")
    if "show" in options:
        print(describe_arguments(load_declared(path, arguments)))
        return 0
    plan = load_plan(path, arguments)
    if "print" in options:
        print(plan.describe())
        return 0
    return run_in_foreground(plan, sys.stdout)


def _option(word: str) -> str:
    if word not in _OPTIONS:
        raise LaunchError(f"There is no option '{word}'{nearest(word, _OPTIONS)}: see 'tarsus launch --help'.")
    return _OPTIONS[word]


def _target(words: list[str]) -> tuple[Path, list[str]]:
    """Return the launch file and the words that are arguments."""
    names = [word for word in words if ":=" not in word]
    if not names:
        raise LaunchError("'tarsus launch' needs a launch file: type for instance 'tarsus launch sim'.")
    if words[: len(names)] != names:
        raise LaunchError(
            f"'{names[-1]}' stands after an argument: name the launch file first, and write arguments as name:=value."
        )
    if len(names) == 1:
        return find_launch_file(names[0]), words[1:]
    if len(names) > 2 or Path(names[0]).is_file():
        raise LaunchError(f"'{names[-1]}' is no launch argument: write name:=value.")
    return find_launch_file(names[0], names[1]), words[2:]
