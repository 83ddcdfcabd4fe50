# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The grammar of ``$(name argument ...)`` in launch XML attributes, as launch_xml of ROS 2 Jazzy reads it.

- Exactly one space parts the arguments; an argument with spaces stands in single or double quotes.
- A backslash before ``$(`` makes it plain text; in text a backslash makes the next character itself.
- Substitutions nest, also inside quotes; inside a nested substitution in quotes, that quote may not appear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from tarsus_core.errors import suggest
from tarsus_edge.launcher.errors import LaunchError


@dataclass(frozen=True)
class Text:
    """Plain text, with its escapes already undone."""

    text: str


@dataclass(frozen=True)
class Call:
    """A substitution: its name and its arguments, each a template of its own."""

    name: str
    arguments: tuple[Template, ...]


Template: TypeAlias = "tuple[Text | Call, ...]"
"""Attribute text in pieces; its value is the pieces' values in a row."""

SUBSTITUTIONS: dict[str, tuple[int, int]] = {
    "var": (1, 2),
    "env": (1, 2),
    "find-pkg-share": (1, 1),
    "find-pkg-prefix": (1, 1),
    "dirname": (0, 0),
    "filename": (0, 0),
    "not": (1, 1),
    "and": (2, 2),
    "or": (2, 2),
    "equals": (2, 2),
    "not-equals": (2, 2),
    "if": (2, 3),
}
"""Name -> least and most arguments."""

EXECUTES_CODE = ("eval", "command")
OTHERS_IN_ROS = ("all", "anon", "any", "exec-in-pkg", "file-content", "find-exec", "launch_log_dir", "log_dir", "param")
"""Substitutions that ``ros2 launch`` knows and the documented subset leaves out."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BODY = r"\$(?!\()|(?<=\\)\$"
# One pattern per context: free text, an argument, and each of the two inside '...' and "...".
_FREE = re.compile(rf"(?:[^$]|{_BODY})+")
_ARGUMENT = re.compile(rf"(?:\\['\"]|\\|[^ '\"\\$()]|(?<=\\)[()]|{_BODY})+")
_QUOTED = {q: re.compile(rf"(?:\\{q}|\\|[^{q}\\$]|{_BODY})+") for q in "'\""}
_QUOTED_ARGUMENT = {q: re.compile(rf"(?:\\{q}|\\|[^ {q}\\$()]|(?<=\\)[()]|{_BODY})+") for q in "'\""}


def unescape(text: str) -> str:
    r"""Undo escapes: ``\x`` is ``x`` for every character ``x`` but a line break."""
    return re.sub(r"\\(.)", r"\1", text)


def parse_template(text: str) -> Template:
    """Parse attribute text.

    Raises:
        LaunchError: the text is no template, or names a substitution that is unknown, takes another number of
            arguments, or executes code.
    """
    if not text:
        return (Text(""),)
    return _Parser(text).template()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def template(self) -> Template:
        pieces = self._pieces(_FREE, quote="")
        if self._position < len(self._text):
            raise self._error("cannot be read")
        return pieces

    def _pieces(self, text_pattern: re.Pattern[str], quote: str) -> Template:
        pieces: list[Text | Call] = []
        while True:
            if self._text.startswith("$(", self._position):
                pieces.append(self._call(quote))
            elif match := text_pattern.match(self._text, self._position):
                self._position = match.end()
                pieces.append(Text(unescape(match.group())))
            else:
                return tuple(pieces)

    def _call(self, quote: str) -> Call:
        self._position += 2
        match = _NAME.match(self._text, self._position)
        if not match:
            raise self._error("has no name after '$('")
        self._position = match.end()
        arguments: list[Template] = []
        while self._accept(" "):
            arguments.append(self._argument(quote))
        if not self._accept(")"):
            raise self._error("has no closing ')' where one belongs (one space parts arguments)")
        return _checked(Call(match.group(), tuple(arguments)))

    def _argument(self, quote: str) -> Template:
        opening = self._text[self._position : self._position + 1]
        if not quote and opening and opening in "'\"":
            self._position += 1
            pieces = self._pieces(_QUOTED[opening], opening)
            if not self._accept(opening):
                raise self._error(f"has no closing {opening}")
            return pieces
        pieces = self._pieces(_QUOTED_ARGUMENT[quote] if quote else _ARGUMENT, quote)
        if not pieces:
            raise self._error("lacks an argument after a space (one space parts arguments)")
        return pieces

    def _accept(self, character: str) -> bool:
        found = self._text.startswith(character, self._position)
        self._position += found
        return found

    def _error(self, what: str) -> LaunchError:
        return LaunchError(f"the substitution in '{self._text}' {what}, near character {self._position + 1}.")


def _checked(call: Call) -> Call:
    if call.name in EXECUTES_CODE:
        raise LaunchError(
            f"$({call.name} ...) executes code, so tarsus launch refuses it: use $(equals ..), $(if ..) "
            "or an argument instead."
        )
    if call.name in OTHERS_IN_ROS:
        raise LaunchError(
            f"$({call.name} ...) is known to ros2 launch but not to tarsus launch: "
            f"use one of {', '.join(SUBSTITUTIONS)}."
        )
    if call.name not in SUBSTITUTIONS:
        raise LaunchError(f"there is no substitution $({call.name} ...){suggest(call.name, SUBSTITUTIONS)}.")
    if call.name in ("equals", "not-equals") and () in call.arguments:
        raise LaunchError(
            f"$({call.name} ..) cannot compare with '' (ros2 launch reads it as '[]'): compare with a variable that is "
            "empty."
        )
    least, most = SUBSTITUTIONS[call.name]
    if not least <= len(call.arguments) <= most:
        wanted = f"{least}" if least == most else f"{least} or {most}"
        raise LaunchError(f"$({call.name} ...) takes {wanted} argument(s) but has {len(call.arguments)}: mend it.")
    return call
