# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The documented subset of launch XML: its tags, their attributes and children, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """How the text of an attribute is read when the file is loaded."""

    TEMPLATE = "text with substitutions"
    PLAIN = "text with escapes, no substitutions"
    RAW = "text as it stands"
    BOOL = "true or false, no substitutions"
    SECONDS = "a number of at least 0, no substitutions"
    COUNT = "an integer, no substitutions"
    SHUTDOWN = "the word shutdown"


@dataclass(frozen=True)
class TagRule:
    """What one tag may hold.

    Attributes:
        required: attributes that must be there, and how they are read.
        optional: attributes that may be there.
        children: tags that may stand inside, with their rules; for action tags see ``holds_actions``.
        holds_actions: True when any action tag may stand inside.
        conditional: True when ``if`` and ``unless`` may be there.
    """

    required: Mapping[str, Kind] = field(default_factory=dict)
    optional: Mapping[str, Kind] = field(default_factory=dict)
    children: Mapping[str, TagRule] = field(default_factory=dict)
    holds_actions: bool = False
    conditional: bool = True

    @property
    def attributes(self) -> dict[str, Kind]:
        """All attributes that may be there, with ``if`` and ``unless`` on action tags."""
        conditions = {"if": Kind.TEMPLATE, "unless": Kind.TEMPLATE} if self.conditional else {}
        return {**self.required, **self.optional, **conditions}


def _part(required: str, optional: Mapping[str, Kind] | None = None, **children: TagRule) -> TagRule:
    """A tag inside an action: its required attributes are templates, and it takes no condition."""
    return TagRule(_templates(required), optional or {}, children, conditional=False)


def _templates(names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), Kind.TEMPLATE)


_PROCESS_ATTRIBUTES = {
    **_templates("name cwd output respawn launch-prefix"),
    "on_exit": Kind.SHUTDOWN,
    "respawn_delay": Kind.SECONDS,
    "respawn_max_retries": Kind.COUNT,
    "sigterm_timeout": Kind.SECONDS,
    "sigkill_timeout": Kind.SECONDS,
}

# <param> either has from, or name with value or with <param>s inside: parameters.py checks which.
_PARAM_ATTRIBUTES = {"name": Kind.TEMPLATE, "from": Kind.TEMPLATE, "value": Kind.RAW, "type": Kind.RAW}
_INNER_PARAM: dict[str, TagRule] = {}
PARAM = TagRule(optional=_PARAM_ATTRIBUTES, children=_INNER_PARAM, conditional=False)
_INNER_PARAM["param"] = PARAM

_ENV = _part("name value")

ACTIONS: dict[str, TagRule] = {
    "arg": TagRule(
        {"name": Kind.PLAIN},
        {"default": Kind.TEMPLATE, "description": Kind.PLAIN},
        {"choice": TagRule({"value": Kind.PLAIN}, conditional=False)},
    ),
    "let": TagRule(_templates("name value")),
    "include": TagRule(_templates("file"), children={"arg": _part("name value")}),
    "group": TagRule(optional={"scoped": Kind.BOOL}, holds_actions=True),
    "node": TagRule(
        _templates("exec"),
        {**_PROCESS_ATTRIBUTES, **_templates("pkg exec_name namespace args ros_args")},
        {"param": PARAM, "remap": _part("from to"), "env": _ENV},
    ),
    "executable": TagRule(_templates("cmd"), _PROCESS_ATTRIBUTES, {"env": _ENV}),
    "set_env": TagRule(_templates("name value")),
    "unset_env": TagRule(_templates("name")),
    "timer": TagRule(_templates("period"), holds_actions=True),
    "set_parameter": TagRule(_templates("name value")),
    "set_remap": TagRule(_templates("from to")),
    "push_ros_namespace": TagRule(_templates("namespace")),
    "push-ros-namespace": TagRule(_templates("namespace")),
    "log": TagRule(_templates("message")),
}
"""Action tags of the subset."""

ROOT = TagRule(optional={"version": Kind.RAW}, holds_actions=True, conditional=False)

OTHER_TAGS_IN_ROS = (
    "append_env",
    "load_composable_node",
    "node_container",
    "reset",
    "reset_env",
    "ros_timer",
    "set_parameters_from_file",
    "set_ros_log_dir",
    "set_use_sim_time",
    "shutdown",
)
"""Tags that ``ros2 launch`` knows and the subset leaves out."""

OTHER_ATTRIBUTES_IN_ROS: dict[str, frozenset[str]] = {
    "node": frozenset({"emulate_tty", "shell"}),
    "executable": frozenset({"emulate_tty", "shell"}),
    "group": frozenset({"forwarding"}),
    "timer": frozenset({"cancel_on_shutdown"}),
    "param": frozenset({"allow_substs", "value-sep"}),
    "launch": frozenset({"deprecated"}),
}
"""Attributes that ``ros2 launch`` knows and the subset leaves out, by tag."""
