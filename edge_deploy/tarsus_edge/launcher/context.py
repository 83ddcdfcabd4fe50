# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a launch file sees while it is read from top to bottom, and the value of a template in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from tarsus_core.errors import suggest
from tarsus_edge.launcher.ament import AmentIndex
from tarsus_edge.launcher.coercion import Scalar, to_bool
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.substitutions import Call, Template, Text

NAMESPACE_VARIABLE = "ros_namespace"
"""Launch variable in which push_ros_namespace keeps the namespace, as in launch_ros."""


class LaunchContext:
    """Launch variables, environment, and the settings that apply to all nodes that follow.

    A scoped group keeps its changes of variables and environment to itself. Two ways of ROS 2 Jazzy are kept on
    purpose, so that a file does the same under ``ros2 launch``: what set_parameter and set_remap add inside a group
    stays after it when one of the same kind stood before the group, and after an <include>, $(dirname) and
    $(filename) speak of the included file.

    Attributes:
        variables: launch variables (arguments and <let>) by name.
        environment: environment variables that children get.
        parameters: what set_parameter has set, in order.
        remaps: what set_remap has set, in order.
        file: the launch file that is being read.
        index: where packages are found.
    """

    def __init__(
        self, index: AmentIndex, environment: Mapping[str, str], variables: Mapping[str, str], file: Path
    ) -> None:
        self.index = index
        self.environment = dict(environment)
        self.variables = dict(variables)
        self.parameters: list[tuple[str, Scalar]] | None = None
        self.remaps: list[tuple[str, str]] | None = None
        self.file = file
        self._stack: list[
            tuple[dict[str, str], dict[str, str], list[tuple[str, Scalar]] | None, list[tuple[str, str]] | None]
        ] = []

    def push(self) -> None:
        """Open a scope."""
        # The two lists are not copied: a list that exists already is shared with the scope, as in launch_ros.
        self._stack.append((self.variables.copy(), self.environment.copy(), self.parameters, self.remaps))

    def pop(self) -> None:
        """Close the scope that was opened last."""
        self.variables, self.environment, self.parameters, self.remaps = self._stack.pop()

    def add_parameter(self, name: str, value: Scalar) -> None:
        """Give all nodes that follow the parameter ``name``."""
        if self.parameters is None:
            self.parameters = []
        self.parameters.append((name, value))

    def add_remap(self, source: str, target: str) -> None:
        """Give all nodes that follow the remapping from ``source`` to ``target``."""
        if self.remaps is None:
            self.remaps = []
        self.remaps.append((source, target))

    def perform(self, template: Template) -> str:
        """Return the value of ``template`` here and now.

        Raises:
            LaunchError: a substitution has no value.
        """
        return "".join(piece.text if isinstance(piece, Text) else self._call(piece) for piece in template)

    def _call(self, call: Call) -> str:
        name = call.name
        if name == "if":
            return self._if(call)
        if name in ("var", "env"):
            return self._lookup(call)
        values = [self.perform(argument) for argument in call.arguments]
        if name == "find-pkg-share":
            return str(self.index.share(values[0]))
        if name == "find-pkg-prefix":
            return str(self.index.prefix(values[0]))
        if name == "dirname":
            return str(self.file.parent)
        if name == "filename":
            return str(self.file)
        if name in ("equals", "not-equals"):
            return _word(_equal(*values) is (name == "equals"))
        truths = [to_bool(value, f"an argument of $({name} ..)") for value in values]
        if name == "not":
            return _word(not truths[0])
        return _word(all(truths) if name == "and" else any(truths))

    def _if(self, call: Call) -> str:
        chosen = 1 if to_bool(self.perform(call.arguments[0]), "the condition of $(if ..)") else 2
        return self.perform(call.arguments[chosen]) if chosen < len(call.arguments) else ""

    def _lookup(self, call: Call) -> str:
        name = self.perform(call.arguments[0])
        known = self.variables if call.name == "var" else self.environment
        # The default of $(env ..) has a value of its own even when it is not used, and that may fail: as in launch.
        default = self.perform(call.arguments[1]) if len(call.arguments) > 1 and call.name == "env" else None
        if name in known:
            return known[name]
        if len(call.arguments) > 1:
            return self.perform(call.arguments[1]) if default is None else default
        if call.name == "env":
            raise LaunchError(
                f"the environment variable '{name}' is not set: set it, or give a default as in $(env {name} value)."
            )
        raise LaunchError(
            f"there is no launch variable '{name}'{suggest(name, known)}: declare it with <arg name=\"{name}\"/>."
        )


def _word(value: bool) -> str:
    return "true" if value else "false"


def _equal(left: str, right: str) -> bool:
    """Compare as $(equals ..) does: as booleans when both read so, else as numbers, else as text."""
    truths = {"true": True, "1": True, "false": False, "0": False}
    if left.lower() in truths and right.lower() in truths:
        return truths[left.lower()] is truths[right.lower()]
    try:
        return math.isclose(float(left), float(right))
    except ValueError:
        return left == right
