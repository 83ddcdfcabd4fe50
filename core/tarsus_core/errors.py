# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The one hierarchy of errors. Each message is one plain sentence that names the value and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TarsusError(Exception):
    """Base of every error that Tarsus raises on purpose.

    The command line prints the message alone, on one line, and exits with ``exit_code``.
    """

    exit_code: int = 2
    most: int = 4000
    """characters of a message; what is longer quotes a file that somebody else has made"""

    def __init__(self, message: str = "") -> None:
        """Take the message, which may quote names and values of any kind.

        A line break in it becomes a space, a character that a terminal would obey, but for a tab, ``?``, and the middle
        of one that is longer than ``most`` three dots.
        """
        line = "\t".join(map(printable, " ".join(message.splitlines()).split("\t")))
        if len(line) > self.most:
            line = f"{line[: self.most // 2]} ... {line[-self.most // 2 :]}"
        super().__init__(line)


class ConfigError(TarsusError):
    """A settings value, option or parameter that cannot be used."""


class RobotModelError(TarsusError):
    """A robot, joint or frame that is not known, or a robot file that contradicts itself."""


class StateError(TarsusError):
    """A robot state or joint command with a wrong shape, name or a value that is not finite."""


class PolicyFileError(TarsusError):
    """A policy file that is missing, damaged, or breaks its contract."""


class OutputFileError(TarsusError):
    """A file that cannot be written; what was there before is intact."""


class DependencyError(TarsusError):
    """An optional package, compiler or program that is needed here and absent."""


class SimulationError(TarsusError):
    """A simulator that cannot go on, for instance after its state stopped being finite."""


def suggest(value: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest known name, else the known names.

    Args:
        value: what was given.
        known: what would have been understood.
    """
    names = sorted(known)
    near = difflib.get_close_matches(value, names, n=1)
    if near:
        return f" (did you mean '{near[0]}'?)"
    return f" (known: {', '.join(names)})" if names else ""


def printable(text: str) -> str:
    """Return a text that came out of a file with each character that a terminal would obey as ``?``."""
    return "".join(c if c.isprintable() else "?" for c in text)
