# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Text to typed values, by the YAML rules that launch applies to parameters and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import yaml

from tarsus_core.errors import suggest
from tarsus_edge.launcher.errors import LaunchError

Scalar: TypeAlias = "bool | int | float | str"
Value: TypeAlias = "Scalar | list[bool] | list[int] | list[float] | list[str]"

SCALARS: dict[str, type] = {"str": str, "bool": bool, "int": int, "float": float}
TYPES = ("yaml", *SCALARS, *(f"list_of_{name}" for name in SCALARS))
"""Values of the ``type`` attribute of <param>; "yaml" guesses the type, as no attribute does."""


def check_type_name(name: str) -> str:
    """Return ``name`` when it is one of ``TYPES``, else raise LaunchError ("double" is ROS for "float")."""
    if name not in TYPES:
        hint = " (did you mean 'float'?)" if name == "double" else suggest(name, TYPES)
        raise LaunchError(f"there is no parameter type '{name}'{hint}.")
    return name


def to_bool(text: str, what: str) -> bool:
    """Read a boolean as substitutions do: YAML's true and false in any spelling, 1 and 0."""
    value = coerce(text, "bool", what)
    assert isinstance(value, bool)
    return value


def condition(text: str, attribute: str) -> bool:
    """Read the value of ``if`` or ``unless``: only true, 1, false and 0 count, in any case."""
    word = text.strip().lower()
    if word in ("true", "1"):
        return True
    if word in ("false", "0"):
        return False
    raise LaunchError(f"{attribute} must come to true, 1, false or 0, not '{text}'.")


def coerce(text: str, type_name: str, what: str) -> Value:
    """Turn ``text`` into a value of the type that ``type_name`` names.

    Args:
        text: what to read.
        type_name: one of ``TYPES``.
        what: what the text is, for the message.

    Raises:
        LaunchError: the text is no such value.
    """
    problem = LaunchError(f"{what} must be {phrase(type_name)}, not '{text}'.")
    if type_name == "str":
        return text
    if type_name in ("int", "float"):
        try:
            return int(text) if type_name == "int" else float(text)
        except ValueError:
            raise problem from None
    if type_name == "bool":
        text = {"1": "true", "0": "false"}.get(text, text)
    value = load_yaml(text, what)
    if value == []:
        raise empty_list(what)
    if type_name == "yaml":
        if isinstance(value, list):
            return check_uniform(value, what)
        if not isinstance(value, bool | int | float | str):
            raise problem
        return value
    if type_name == "bool":
        if not isinstance(value, bool):
            raise problem
        return value
    item_type = SCALARS[type_name.removeprefix("list_of_")]
    if not isinstance(value, list) or not all(type(item) is item_type for item in value):
        raise problem
    return value


def load_yaml(text: str, what: str) -> object:
    """Read one YAML value; empty text is empty text, not YAML's null.

    Raises:
        LaunchError: the text is not YAML.
    """
    if not text:
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise LaunchError(f"{what} cannot be read as YAML: '{text}': quote it, or say type=\"str\".") from None


def empty_list(what: str) -> LaunchError:
    """Return the error for a list without items: it has no type, and a ROS node takes it for a missing value."""
    return LaunchError(f"{what} must have a value: a node cannot tell the type of an empty list, so leave it out.")


def check_uniform(items: Sequence[object], what: str) -> Value:
    """Return ``items`` as a list when all are of one and the same scalar type, else raise LaunchError."""
    types = {type(item) for item in items}
    if len(types) > 1 or not types <= set(SCALARS.values()):
        raise LaunchError(f"{what} must be a list of values of one type (bool, int, float or str), not {list(items)}.")
    return list(items)  # type: ignore[return-value]


def phrase(type_name: str) -> str:
    """Return what a value of the type is, for a message."""
    if type_name.startswith("list_of_"):
        return f"a list of {type_name.removeprefix('list_of_')}"
    return {
        "str": "text",
        "yaml": "a bool, int, float, str, or a list of one of them",
        "int": "an integer",
        "float": "a number",
        "bool": "true or false",
    }[type_name]
