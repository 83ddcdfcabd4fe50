# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The definition of a ROS message as one text, as recordings carry it: whoever opens the file needs no ROS packages."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from tarsus_core.errors import ConfigError

SEPARATOR = "=" * 80
_FIELD = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_]*(?:/[A-Za-z0-9_/]+)?)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]")
_PLAIN = frozenset(
    {"bool", "byte", "char", "float32", "float64", "string", "wstring"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


def message_class(name: str) -> Any:
    """Return the class of a message such as ``sensor_msgs/msg/Imu``.

    Raises:
        ConfigError: if it is not known here.
    """
    try:
        package, kind, message = name.split("/")
        return getattr(importlib.import_module(f"{package}.{kind}"), message)
    except (ValueError, ImportError, AttributeError):
        raise ConfigError(
            f"The message '{name}' is not known here: build its package, or leave its topic out."
        ) from None


def message_text(name: str) -> str:
    """Return the text of a message's definition and, after separators, of all that it is made of (``ros2msg``).

    Raises:
        ConfigError: if a definition is not installed.
    """
    parts: dict[str, str] = {}
    _collect(name, parts)
    first, *others = parts
    return "\n".join([parts[first], *(f"{SEPARATOR}\nMSG: {_short(other)}\n{parts[other]}" for other in others)])


def _collect(name: str, parts: dict[str, str]) -> None:
    if name in parts:
        return
    package, kind, message = name.split("/")
    try:
        path = Path(get_package_share_directory(package), kind, f"{message}.msg")
        text = path.read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError):
        raise ConfigError(f"The definition of '{name}' is not installed: install the package '{package}'.") from None
    parts[name] = text
    for line in text.splitlines():
        found = _FIELD.match(line.partition("#")[0])
        if found and found.group(1) not in _PLAIN:
            words = found.group(1).split("/")
            _collect("/".join([words[0] if len(words) > 1 else package, "msg", words[-1]]), parts)


def _short(name: str) -> str:
    package, _, message = name.split("/")
    return f"{package}/{message}"
