# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Loading a launch file: every tag, attribute and substitution is checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tarsus_core.errors import suggest
from tarsus_edge.launcher.errors import LaunchError, located
from tarsus_edge.launcher.grammar import (
    ACTIONS,
    OTHER_ATTRIBUTES_IN_ROS,
    OTHER_TAGS_IN_ROS,
    PARAM,
    ROOT,
    Kind,
    TagRule,
)
from tarsus_edge.launcher.parameters import ParameterSource, compile_parameter
from tarsus_edge.launcher.substitutions import Template, parse_template, unescape
from tarsus_edge.launcher.xml_tree import XmlElement, read_xml

FILE_ENDINGS = (".launch.xml", ".xml", ".launch")


@dataclass(frozen=True)
class Entity:
    """One checked element.

    Attributes:
        tag: its name.
        line: its line in the file.
        templates: attributes with substitutions, parsed.
        texts: attributes without substitutions, as text.
        numbers: attributes that are numbers or booleans.
        children: checked elements inside, in order.
        parameters: what its <param> children say, in order.
    """

    tag: str
    line: int
    templates: dict[str, Template]
    texts: dict[str, str]
    numbers: dict[str, float]
    children: tuple[Entity, ...]
    parameters: tuple[ParameterSource, ...] = ()

    @property
    def conditional(self) -> bool:
        """True when the element has ``if`` or ``unless``."""
        return "if" in self.templates or "unless" in self.templates

    def inner(self, tag: str) -> Iterator[Entity]:
        """Yield the children with the given tag, in order."""
        return (child for child in self.children if child.tag == tag)


@dataclass(frozen=True)
class Argument:
    """A declared launch argument.

    Attributes:
        name: its name.
        default: its default with substitutions, or None when it must be given.
        description: one line for people.
        choices: the only values allowed; empty for any.
        conditional: True when a condition stands between the file's root and the declaration.
        line: its line in the file.
    """

    name: str
    default: Template | None
    description: str
    choices: tuple[str, ...]
    conditional: bool
    line: int


@dataclass(frozen=True)
class LaunchFile:
    """A launch file, checked.

    Attributes:
        path: its absolute path.
        root: its root element.
    """

    path: Path
    root: Entity

    def arguments(self) -> list[Argument]:
        """Return the arguments that this file declares, in order, without those of included files."""
        return [
            Argument(
                name=entity.texts["name"],
                default=entity.templates.get("default"),
                description=entity.texts.get("description", ""),
                choices=tuple(choice.texts["value"] for choice in entity.inner("choice")),
                conditional=conditional,
                line=entity.line,
            )
            for entity, conditional in walk(self.root)
            if entity.tag == "arg"
        ]


def walk(entity: Entity, conditional: bool = False) -> Iterator[tuple[Entity, bool]]:
    """Yield every action below ``entity`` in order, each with whether it runs only under some condition.

    What a timer holds counts as conditional, as in launch.
    """
    for child in entity.children:
        if child.tag in ACTIONS:
            under_condition = conditional or child.conditional
            yield child, under_condition
            if ACTIONS[child.tag].holds_actions:
                yield from walk(child, under_condition or child.tag == "timer")


def load_file(path: Path) -> LaunchFile:
    """Read and check the launch file at ``path``.

    Raises:
        LaunchError: it cannot be read, is no launch XML, or uses something outside the documented subset.
    """
    if path.suffix in (".py", ".yaml", ".yml", ".json"):
        raise LaunchError(f"'{path}' is no launch XML file, and tarsus launch runs no other: name a *.launch.xml file.")
    root = read_xml(path)
    with located(path, root.line):
        if root.tag != "launch":
            raise LaunchError(f"the outermost tag must be <launch>, not <{root.tag}>.")
        _check_attributes(root, ROOT)
    children = tuple(_check_action(child, path) for child in root.children)
    return LaunchFile(path.absolute(), Entity("launch", root.line, {}, {}, {}, children))


def _check_action(element: XmlElement, path: Path) -> Entity:
    with located(path, element.line):
        tag = element.tag
        if tag in OTHER_TAGS_IN_ROS:
            raise LaunchError(f"<{tag}> is known to ros2 launch but not to tarsus launch: use {', '.join(ACTIONS)}.")
        if tag not in ACTIONS:
            raise LaunchError(f"there is no tag <{tag}>{suggest(tag, ACTIONS)}.")
    return _check(element, ACTIONS[tag], path)


def _check(element: XmlElement, rule: TagRule, path: Path) -> Entity:
    with located(path, element.line):
        templates, texts, numbers = _check_attributes(element, rule)
        if "if" in templates and "unless" in templates:
            raise LaunchError(f"<{element.tag}> has both 'if' and 'unless': keep one, or nest it in a <group>.")
    children: list[Entity] = []
    parameters: list[ParameterSource] = []
    for child in element.children:
        if rule.holds_actions:
            children.append(_check_action(child, path))
            continue
        with located(path, child.line):
            if child.tag not in rule.children:
                inside = f": it may hold {', '.join(f'<{tag}>' for tag in rule.children)}" if rule.children else ""
                raise LaunchError(f"<{child.tag}> may not stand in <{element.tag}>{inside or ': move it out'}.")
        entity = _check(child, rule.children[child.tag], path)
        children.append(entity)
        if rule.children[child.tag] is PARAM and rule is not PARAM:
            parameters.append(_compile(entity, path))
    return Entity(element.tag, element.line, templates, texts, numbers, tuple(children), tuple(parameters))


def _compile(entity: Entity, path: Path, inner: bool = False) -> ParameterSource:
    nested = [_compile(child, path, inner=True) for child in entity.children]
    with located(path, entity.line):
        if inner and "from" in entity.templates:
            raise LaunchError("a <param> inside a <param> has a name, not 'from'.")
        return compile_parameter(entity.templates, entity.texts, nested, entity.line)


def _check_attributes(
    element: XmlElement, rule: TagRule
) -> tuple[dict[str, Template], dict[str, str], dict[str, float]]:
    tag, known = element.tag, rule.attributes
    for name in element.attributes:
        if name in OTHER_ATTRIBUTES_IN_ROS.get(tag, ()):
            raise LaunchError(f"'{name}' of <{tag}> is known to ros2 launch but not to tarsus launch: leave it out.")
        if name not in known:
            raise LaunchError(f"<{tag}> has no attribute '{name}'{suggest(name, known)}.")
    for name in rule.required:
        if name not in element.attributes:
            raise LaunchError(f"<{tag}> lacks the attribute '{name}'.")
    templates: dict[str, Template] = {}
    texts: dict[str, str] = {}
    numbers: dict[str, float] = {}
    for name, text in element.attributes.items():
        kind = known[name]
        if kind is Kind.TEMPLATE:
            templates[name] = parse_template(text)
        elif kind in (Kind.PLAIN, Kind.RAW):
            texts[name] = unescape(text) if kind is Kind.PLAIN else text
        elif kind is Kind.SHUTDOWN:
            if text != "shutdown":
                raise LaunchError(f"'{name}' of <{tag}> can only be \"shutdown\", not '{text}'.")
            texts[name] = text
        else:
            numbers[name] = _number(text, kind, f"'{name}' of <{tag}>")
    return templates, texts, numbers


def _number(text: str, kind: Kind, what: str) -> float:
    problem = LaunchError(f"{what} must be {kind.value}, not '{text}'.")
    if kind is Kind.BOOL:
        try:
            value = yaml.safe_load({"1": "true", "0": "false"}.get(text, text))
        except yaml.YAMLError:
            raise problem from None
        if not isinstance(value, bool):
            raise problem
        return value
    try:
        number = int(text) if kind is Kind.COUNT else float(text)
    except ValueError:
        raise problem from None
    if not math.isfinite(number) or (kind is Kind.SECONDS and number < 0):
        raise problem
    return number
