# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a launch file comes to: processes and messages, with everything decided before the first process starts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tarsus_edge.launcher.parameters import ParameterDocument


@dataclass(frozen=True)
class ProcessSpec:
    """One process to run.

    Attributes:
        name: label in the output, ``<executable>-<number>``, as in launch.
        command: words of the command; a ParameterDocument stands where the path of its file will be.
        environment: all environment variables of the process.
        folder: working folder, or None for the launcher's own.
        output: "screen", "log" or "both", see ``output.Router``.
        node: full name of the ROS node, or None when the launch file does not give it.
        required: True when the end of this process ends the whole launch (``on_exit="shutdown"``).
        respawn: True when the process starts again whenever it ends.
        respawn_delay_s: pause before that, in seconds.
        respawn_max_retries: how often at most; negative for without end.
        sigterm_timeout_s: seconds from SIGINT to SIGTERM; None for the launcher's default.
        sigkill_timeout_s: seconds from SIGTERM to SIGKILL; None for the launcher's default.
        start_after_s: seconds from the start of the launch to the start of this process.
    """

    name: str
    command: tuple[str | ParameterDocument, ...]
    environment: dict[str, str]
    folder: str | None = None
    output: str = "log"
    node: str | None = None
    required: bool = False
    respawn: bool = False
    respawn_delay_s: float = 0.0
    respawn_max_retries: int = -1
    sigterm_timeout_s: float | None = None
    sigkill_timeout_s: float | None = None
    start_after_s: float = 0.0

    def describe(self) -> str:
        """Return the command as one shell line, with the text of parameter files below it."""
        words, files = [], []
        for word in self.command:
            if isinstance(word, ParameterDocument):
                files.append(word.to_yaml())
                words.append(f"<parameters {len(files)}>")
            else:
                words.append(shlex.quote(word))
        lines = [f"[{self.name}] {' '.join(words)}"]
        if self.start_after_s:
            lines.append(f"  # after {self.start_after_s:g} s")
        for number, text in enumerate(files, 1):
            lines.append(f"  # parameters {number}:")
            lines.extend(f"  {line}" for line in text.splitlines())
        return "\n".join(lines)


@dataclass(frozen=True)
class LogMessage:
    """A message of a <log>.

    Attributes:
        text: the message.
        after_s: seconds from the start of the launch to the message.
    """

    text: str
    after_s: float = 0.0


@dataclass(frozen=True)
class LaunchPlan:
    """A launch file, resolved.

    Attributes:
        file: the launch file.
        processes: all processes, in the order in which they start.
        messages: all messages of <log>, in the order in which they appear.
        arguments: the launch arguments that were declared on the way, with their values.
    """

    file: Path
    processes: tuple[ProcessSpec, ...]
    messages: tuple[LogMessage, ...]
    arguments: dict[str, str]

    def with_parameters(self, **values: str) -> LaunchPlan:
        """Return the plan with parameters that every node is given beyond the file, over what it says.

        Args:
            values: as YAML reads them.
        """
        words = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
        nodes = [replace(p, command=(*p.command, *words)) if "--ros-args" in p.command else p for p in self.processes]
        return replace(self, processes=tuple(nodes))

    def with_environment(self, variables: Mapping[str, str]) -> LaunchPlan:
        """Return the plan with environment variables that every process is given, over those that it has."""
        processes = (replace(p, environment={**p.environment, **variables}) for p in self.processes)
        return replace(self, processes=tuple(processes))

    def describe(self) -> str:
        """Return all commands as text, one paragraph for each process."""
        return "\n".join(process.describe() for process in self.processes)
