# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Launch arguments: reading ``name:=value``, and which of them a file and all it includes declare."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tarsus_core.errors import suggest
from tarsus_edge.launcher.context import LaunchContext
from tarsus_edge.launcher.document import Argument, LaunchFile, load_file, walk
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.substitutions import Call, Template, Text

BUILT_IN = ("launch-prefix", "launch-prefix-filter", "sigterm_timeout", "sigkill_timeout")
"""Arguments that every launch file has without declaring them, as in launch."""


@dataclass
class Declared:
    """What a launch file and its includes declare.

    Attributes:
        arguments: declared arguments by name, in order; the first declaration of a name counts.
        complete: False when an included file cannot be told before the launch itself is read.
    """

    arguments: dict[str, Argument] = field(default_factory=dict)
    complete: bool = True


def parse_arguments(words: Sequence[str]) -> dict[str, str]:
    """Read ``name:=value`` words; of two for one name the last counts.

    Raises:
        LaunchError: a word has another form, or no value (``ros2 launch`` takes no empty value either).
    """
    arguments: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition(":=")
        if not separator or not name or not value:
            raise LaunchError(f"'{word}' is no launch argument: write name:=value.")
        arguments[name] = value
    return arguments


def declared_arguments(file: LaunchFile, context: LaunchContext) -> Declared:
    """Return what ``file`` and the files it includes declare.

    Args:
        file: the launch file.
        context: gives values to the names of included files; it is left as it is.
    """
    declared = Declared()
    environment, variables = context.environment, context.variables
    _collect(file, LaunchContext(context.index, environment, variables, file.path), declared, [], False)
    return declared


def check_given(given: Mapping[str, str], declared: Collection[str], file: Path) -> None:
    """Check that each given argument is declared: ``ros2 launch`` ignores a slip in a name, we do not.

    Raises:
        LaunchError: one is not.
    """
    for name in given:
        if name not in declared and name not in BUILT_IN:
            raise LaunchError(
                f"{file.name} has no launch argument '{name}'{suggest(name, declared)}: see them with --show-args."
            )


def describe_arguments(declared: Declared) -> str:
    """Return a text for people on all declared arguments."""
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    for argument in declared.arguments.values():
        lines += ["", f"    '{argument.name}':{'*' if argument.conditional else ''}"]
        lines.append(f"        {argument.description or 'no description given'}")
        if argument.choices:
            lines.append(f"        (one of: {', '.join(argument.choices)})")
        if argument.default is None:
            lines.append("        (required)")
        else:
            lines.append(f"        (default: '{template_text(argument.default)}')")
    if not declared.arguments:
        lines += ["", "  No arguments."]
    if any(argument.conditional for argument in declared.arguments.values()):
        lines += ["", "* argument(s) which are only used if specific conditions occur"]
    if not declared.complete:
        lines += ["", "An included file is chosen by an argument: its own arguments may be missing here."]
    return "\n".join(lines)


def template_text(template: Template) -> str:
    """Return a template as one may write it, without its escapes and quotes."""
    return "".join(
        piece.text if isinstance(piece, Text) else f"$({' '.join([piece.name, *map(template_text, piece.arguments)])})"
        for piece in template
    )


def _collect(
    file: LaunchFile, context: LaunchContext, declared: Declared, including: list[Path], conditional: bool
) -> None:
    if file.path in including:
        return
    for argument in file.arguments():
        declared.arguments.setdefault(argument.name, replace(argument, conditional=argument.conditional or conditional))
    for entity, under_condition in walk(file.root):
        try:
            if entity.tag == "arg" and "default" in entity.templates:
                name = entity.texts["name"]
                if name not in context.variables:
                    context.variables[name] = context.perform(entity.templates["default"])
            elif entity.tag == "include":
                template = entity.templates["file"]
                if _depends_on_run(template):
                    declared.complete = False
                context.file = Path(context.perform(template)).absolute()
                inner = load_file(context.file)
                _collect(inner, context, declared, [*including, file.path], conditional or under_condition)
        except LaunchError:
            # Whatever is wrong here is said where the launch itself is read; here it only hides what is declared.
            declared.complete = declared.complete and entity.tag != "include"


def _depends_on_run(template: Template) -> bool:
    """True when variables or the environment decide the value of the template."""
    return any(
        isinstance(piece, Call) and (piece.name in ("var", "env") or any(map(_depends_on_run, piece.arguments)))
        for piece in template
    )
