# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Declaring parameters: each with a description, its range, and fixed once the node runs unless said otherwise."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

Value = TypeVar("Value", bool, int, float, str, list[str])
Config = TypeVar("Config")


def declare(
    node: Node,
    name: str,
    default: Value,
    description: str,
    *,
    limits: tuple[float, float] | None = None,
    read_only: bool = True,
) -> Value:
    """Declare a parameter and return its value at start; ``limits`` are its smallest and largest value."""
    descriptor = ParameterDescriptor(description=description, read_only=read_only)
    if limits is not None and isinstance(default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))]
    elif limits is not None:
        descriptor.integer_range = [IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)]
    value: Value = node.declare_parameter(name, default, descriptor).value
    return value


def declare_config(node: Node, kind: type[Config]) -> Config:
    """Declare a parameter for each field of a dataclass of numbers, and return the configuration at start.

    The fields carry their ``description`` and their ``range`` as metadata.
    """
    default, values = kind(), {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        number: Any = getattr(default, field.name)
        about = field.metadata
        values[field.name] = declare(node, field.name, number, about["description"], limits=about["range"])
    return kind(**values)
