# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""<param> elements: their types as launch_ros has them, and the parameter files that carry them to a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from tarsus_edge.launcher.coercion import (
    SCALARS,
    Scalar,
    Value,
    check_type_name,
    check_uniform,
    coerce,
    empty_list,
    phrase,
)
from tarsus_edge.launcher.context import LaunchContext
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.substitutions import Template, Text, parse_template

ANY_NODE = "/**"
"""Key of a parameter file that means every node in every namespace."""


@dataclass(frozen=True)
class TypedValue:
    """A parameter's value before its substitutions are done.

    Attributes:
        type_name: one of ``coercion.TYPES``.
        value: a scalar, a template, or a list of them.
    """

    type_name: str
    value: Scalar | Template | list[Scalar | Template]


@dataclass(frozen=True)
class NamedParameter:
    """<param name=..> with a value, or with parameters below it (their names are joined by dots)."""

    name: Template
    value: TypedValue | None
    children: tuple[NamedParameter, ...]
    line: int


@dataclass(frozen=True)
class ParameterFile:
    """<param from=..>: a YAML file of parameters."""

    path: Template
    line: int


ParameterSource: TypeAlias = "NamedParameter | ParameterFile"


@dataclass(frozen=True)
class ParameterDocument:
    """A parameter file to be written for one process.

    Attributes:
        node: full name of the node it is for, or ``ANY_NODE``.
        values: parameter name -> value.
    """

    node: str
    values: dict[str, Value]

    def to_yaml(self) -> str:
        """Return the file's text."""
        return yaml.safe_dump({self.node: {"ros__parameters": self.values}}, default_flow_style=False)


def compile_parameter(
    templates: Mapping[str, Template],
    texts: Mapping[str, str],
    children: Sequence[ParameterSource],
    line: int,
) -> ParameterSource:
    """Check one <param> as far as that is possible before its substitutions are done.

    Args:
        templates: its attributes ``name`` and ``from``.
        texts: its attributes ``value`` and ``type``.
        children: the <param>s inside it.
        line: its line in the file.

    Raises:
        LaunchError: attributes that exclude each other, an unknown type, or a value that is not of its type.
    """
    name, path = templates.get("name"), templates.get("from")
    if (name is None) == (path is None):
        raise LaunchError("<param> must have either 'name' or 'from'.")
    if path is not None:
        if texts or children:
            raise LaunchError("<param from=..> takes neither 'value', 'type' nor a <param> inside.")
        return ParameterFile(path, line)
    assert name is not None
    if ("value" in texts) == bool(children):
        raise LaunchError("<param name=..> must have either 'value' or <param>s inside.")
    nested = tuple(child for child in children if isinstance(child, NamedParameter))
    if children:
        if "type" in texts:
            raise LaunchError("<param> with <param>s inside takes no 'type'.")
        return NamedParameter(name, None, nested, line)
    return NamedParameter(name, _compile_value(texts["value"], check_type_name(texts.get("type", "yaml"))), (), line)


def evaluate_parameter(parameter: NamedParameter, context: LaunchContext) -> dict[str, Value]:
    """Return parameter name -> value, with the names of nested parameters joined by dots.

    Raises:
        LaunchError: a substitution has no value, or the value is not of its type.
    """
    name = context.perform(parameter.name)
    if parameter.value is not None:
        return {name: _evaluate(parameter.value, context, f"parameter '{name}'")}
    return {
        f"{name}.{inner}": value
        for child in parameter.children
        for inner, value in evaluate_parameter(child, context).items()
    }


def evaluate_global(name: str, text: str) -> Scalar:
    """Return the value of a <set_parameter>, which YAML types.

    Raises:
        LaunchError: the text is a list or a mapping, which ``ros2 launch`` would hand to the node as broken text.
    """
    value = coerce(text, "yaml", f"parameter '{name}'")
    if isinstance(value, list):
        raise LaunchError(f"<set_parameter> cannot carry the list '{text}': write it as a <param> of each node.")
    return value


def check_parameter_file(path: Path) -> None:
    """Check that ``path`` is a readable file of ROS parameters.

    Raises:
        LaunchError: it is missing, is not YAML, or has no ``ros__parameters``.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LaunchError(f"there is no parameter file '{path}': check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError(f"the parameter file '{path}' cannot be read ({error}): check it.") from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise LaunchError(f"the parameter file '{path}' is not YAML: mend line {line}.") from None
    if not _has_parameters(content):
        raise LaunchError(
            f"the parameter file '{path}' has no 'ros__parameters': write '/**:', below it 'ros__parameters:', "
            "and the parameters below that."
        )


def _has_parameters(content: object) -> bool:
    if not isinstance(content, dict):
        return False
    return "ros__parameters" in content or any(_has_parameters(value) for value in content.values())


def _compile_value(text: str, type_name: str) -> TypedValue:
    """Type the attribute's text first and look for substitutions in the result after that, as launch_ros does."""
    typed = _type_attribute(text, type_name)
    wanted = SCALARS.get(type_name.removeprefix("list_of_"))
    if typed == []:
        raise empty_list("'value' of <param>")
    if isinstance(typed, list):
        items = [_compile_text(item) for item in typed]
        literals = [item for item in items if not isinstance(item, tuple)]
        check_uniform(literals, "value")
        if wanted is not None and any(type(item) is not wanted for item in literals):
            raise _not_of_type(text, type_name)
        return TypedValue(type_name, items)
    value = _compile_text(typed)
    if wanted is not None and not isinstance(value, tuple) and type(value) is not wanted:
        raise _not_of_type(text, type_name)
    return TypedValue(type_name, value)


def _type_attribute(text: str, type_name: str) -> Scalar | list[Scalar]:
    """Give the text its type where it has it already; else leave text, whose substitutions may bring the type."""
    if type_name == "str":
        return text
    if type_name in ("int", "float"):
        try:
            return int(text) if type_name == "int" else float(text)
        except ValueError:
            return text
    is_list = type_name.startswith("list_of_")
    if type_name == "bool":
        text = {"1": "true", "0": "false"}.get(text, text)
    try:
        data = yaml.safe_load(text) if text else text
    except yaml.YAMLError:
        if is_list:
            raise _not_of_type(text, type_name) from None
        return text
    if isinstance(data, list):
        allowed = type_name == "yaml" or is_list
    else:
        allowed = isinstance(data, bool | int | float | str if type_name == "yaml" else bool | str) and not is_list
    if not allowed:
        raise _not_of_type(text, type_name)
    return data


def _compile_text(item: Scalar) -> Scalar | Template:
    if not isinstance(item, str):
        return item
    template = parse_template(item)
    return template[0].text if len(template) == 1 and isinstance(template[0], Text) else template


def _not_of_type(text: str, type_name: str) -> LaunchError:
    return LaunchError(f"'value' of <param> must be {phrase(type_name)}, not '{text}'.")


def _evaluate(typed: TypedValue, context: LaunchContext, what: str) -> Value:
    if isinstance(typed.value, tuple):
        return coerce(context.perform(typed.value), typed.type_name, what)
    if isinstance(typed.value, list):
        item_type = typed.type_name.removeprefix("list_of_")
        return check_uniform(
            [
                coerce(context.perform(item), item_type, what) if isinstance(item, tuple) else item
                for item in typed.value
            ],
            what,
        )
    return typed.value
