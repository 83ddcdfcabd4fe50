# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""ROS names: node names and namespaces, by the rules of rmw, and joining them as launch_ros does."""

from __future__ import annotations

import re

from tarsus_edge.launcher.errors import LaunchError

MAX_NODE_NAME = 255
MAX_NAMESPACE = 245
"""Longest names in characters (rmw/validate_node_name.h, rmw/validate_namespace.h)."""

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_node_name(name: str) -> str:
    """Return ``name`` when it is a valid ROS node name, else raise LaunchError."""
    if not _TOKEN.fullmatch(name) or len(name) > MAX_NODE_NAME:
        raise LaunchError(
            f"'{name}' is no ROS node name: use letters, digits and underscores, no digit first, at most "
            f"{MAX_NODE_NAME} characters, and put a namespace into 'namespace'."
        )
    return name


def check_namespace(namespace: str) -> str:
    """Return ``namespace`` when it is a valid absolute ROS namespace, else raise LaunchError."""
    tokens = namespace.split("/")[1:] if namespace != "/" else []
    valid = namespace.startswith("/") and all(_TOKEN.fullmatch(token) for token in tokens)
    if not valid or len(namespace) > MAX_NAMESPACE:
        raise LaunchError(
            f"'{namespace}' is no ROS namespace: use names of letters, digits and underscores, no digit first, parted "
            f"by single slashes, at most {MAX_NAMESPACE} characters."
        )
    return namespace


def join_namespaces(outer: str | None, inner: str | None) -> str | None:
    """Return the absolute namespace ``inner`` within ``outer``; None when neither is given.

    An inner namespace that begins with a slash stands for itself.
    """
    if outer is None and inner is None:
        return None
    if inner is None:
        joined = outer or ""
    elif not outer or inner.startswith("/"):
        joined = inner
    else:
        joined = f"{outer.rstrip('/')}/{inner}"
    return "/" + joined.strip("/") if not joined.startswith("//") else joined
