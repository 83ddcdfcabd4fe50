# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs ROS 2 launch XML files where there is no ROS: ``tarsus launch``, and launches from a program.

plan = load_plan(find_launch_file("sim"), {"policy": "policy.onnx"})
with LaunchRun(plan, screen=sys.stderr) as run:
    ...
exit_code = run.exit_code
"""

from tarsus_edge.launcher.child import StopTimeouts
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.loading import find_launch_file, load_plan
from tarsus_edge.launcher.plan import LaunchPlan, ProcessSpec
from tarsus_edge.launcher.run import LaunchRun, run_in_foreground, stopped_by_signals
from tarsus_edge.launcher.slots import ProcessExit, ProcessState

__all__ = [
    "LaunchError",
    "LaunchPlan",
    "LaunchRun",
    "ProcessExit",
    "ProcessSpec",
    "ProcessState",
    "StopTimeouts",
    "find_launch_file",
    "load_plan",
    "run_in_foreground",
    "stopped_by_signals",
]
