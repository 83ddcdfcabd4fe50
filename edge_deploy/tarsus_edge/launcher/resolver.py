# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a launch file from top to bottom into a plan, in the order and with the scopes of launch."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tarsus_core.errors import suggest
from tarsus_edge.launcher.ament import AmentIndex
from tarsus_edge.launcher.arguments import declared_arguments
from tarsus_edge.launcher.coercion import condition
from tarsus_edge.launcher.commands import executable_process, node_process
from tarsus_edge.launcher.context import NAMESPACE_VARIABLE, LaunchContext
from tarsus_edge.launcher.document import Argument, Entity, LaunchFile, load_file
from tarsus_edge.launcher.errors import LaunchError, located
from tarsus_edge.launcher.names import check_namespace, join_namespaces
from tarsus_edge.launcher.parameters import evaluate_global
from tarsus_edge.launcher.plan import LaunchPlan, LogMessage, ProcessSpec

MAX_INCLUDE_DEPTH = 32


@dataclass(order=True)
class _Timer:
    """A <timer> that has been reached.

    Attributes:
        fire_s: seconds from the start of the launch to its firing.
        number: how many timers were reached before it.
        entity: the <timer>.
        place: the file it stands in.
        file: the file that $(dirname) and $(filename) speak of in it.
    """

    fire_s: float
    number: int
    entity: Entity = field(compare=False)
    place: Path = field(compare=False)
    file: Path = field(compare=False)


def resolve(path: Path, arguments: Mapping[str, str], environment: Mapping[str, str], index: AmentIndex) -> LaunchPlan:
    """Read the launch file at ``path`` and decide everything in it.

    Timers are played through in the order in which they will fire, so that what they hold is decided now, too.

    Args:
        path: the launch file.
        arguments: launch arguments by name; whether the file declares them is checked elsewhere.
        environment: the environment that children get.
        index: where packages are found.

    Raises:
        LaunchError: the file, or anything it names, cannot be used.
    """
    file = load_file(path)
    missing = [argument for argument in _required(file) if argument.name not in arguments]
    if missing:
        names = ", ".join(f"{argument.name}:=VALUE" for argument in missing)
        about = f" ({missing[0].description.rstrip('.')})" if missing[0].description else ""
        raise LaunchError(f"{path.name} needs the launch argument '{missing[0].name}'{about}: add {names}.")
    return _Resolver(LaunchContext(index, environment, arguments, file.path)).run(file)


def _required(file: LaunchFile) -> list[Argument]:
    return [argument for argument in file.arguments() if argument.default is None and not argument.conditional]


class _Resolver:
    def __init__(self, context: LaunchContext) -> None:
        self._context = context
        self._now_s = 0.0
        self._processes: list[ProcessSpec] = []
        self._messages: list[LogMessage] = []
        self._nodes: dict[str, ProcessSpec] = {}
        self._arguments: dict[str, str] = {}
        self._reached: list[_Timer] = []
        self._timers_reached = 0
        self._places: list[Path] = []
        self._actions: dict[str, Callable[[Entity], None]] = {
            "arg": self._arg,
            "let": self._let,
            "include": self._include,
            "group": self._group,
            "node": self._node,
            "executable": self._executable,
            "set_env": self._set_env,
            "unset_env": self._unset_env,
            "timer": self._timer,
            "set_parameter": self._set_parameter,
            "set_remap": self._set_remap,
            "push_ros_namespace": self._push_ros_namespace,
            "push-ros-namespace": self._push_ros_namespace,
            "log": self._log,
        }

    def run(self, file: LaunchFile) -> LaunchPlan:
        self._visit(file.root, file.path)
        queue: list[_Timer] = []
        while True:
            for timer in self._reached:
                # A timer reads its period once the file around it has been read to its end, as in launch.
                with located(timer.place, timer.entity.line):
                    timer.fire_s = self._now_s + self._period_s(timer.entity)
                heapq.heappush(queue, timer)
            self._reached.clear()
            if not queue:
                break
            timer = heapq.heappop(queue)
            self._now_s, self._context.file = timer.fire_s, timer.file
            self._visit(timer.entity, timer.place)
        return LaunchPlan(file.path, tuple(self._processes), tuple(self._messages), self._arguments)

    def _visit(self, parent: Entity, place: Path) -> None:
        """Do all that stands in ``parent``, an element of the file ``place``."""
        self._places.append(place)
        for entity in parent.children:
            with located(place, entity.line):
                if self._applies(entity):
                    self._actions[entity.tag](entity)
        self._places.pop()

    def _applies(self, entity: Entity) -> bool:
        if "if" in entity.templates:
            return condition(self._value(entity, "if"), "'if'")
        if "unless" in entity.templates:
            return not condition(self._value(entity, "unless"), "'unless'")
        return True

    def _value(self, entity: Entity, attribute: str) -> str:
        return self._context.perform(entity.templates[attribute])

    def _arg(self, entity: Entity) -> None:
        name, variables = entity.texts["name"], self._context.variables
        if name not in variables:
            if "default" not in entity.templates:
                raise LaunchError(f"the launch argument '{name}' has no value and no default: add {name}:=VALUE.")
            variables[name] = self._value(entity, "default")
        choices = [choice.texts["value"] for choice in entity.inner("choice")]
        if choices and variables[name] not in choices:
            raise LaunchError(
                f"the launch argument '{name}' cannot be '{variables[name]}': it is one of {', '.join(choices)}."
            )
        self._arguments.setdefault(name, variables[name])

    def _let(self, entity: Entity) -> None:
        self._context.variables[self._value(entity, "name")] = self._value(entity, "value")

    def _include(self, entity: Entity) -> None:
        path = Path(self._value(entity, "file")).absolute()
        if path in self._places or len(self._places) >= MAX_INCLUDE_DEPTH:
            raise LaunchError(f"'{path.name}' includes itself, without end: remove this <include>.")
        file = load_file(path)
        # From here on, for good and in the <arg>s already, $(dirname) speaks of the included file, as in launch.
        self._context.file = file.path
        inner = [(self._value(arg, "name"), arg) for arg in entity.inner("arg")]
        names = [name for name, _ in inner]
        for argument in _required(file):
            if argument.name not in names:
                raise LaunchError(
                    f"'{path.name}' needs the argument '{argument.name}': put <arg name=\"{argument.name}\" "
                    'value="..."/> into this <include>.'
                )
        declared = declared_arguments(file, self._context)
        for name, arg in inner:
            if declared.complete and name not in declared.arguments:
                raise LaunchError(
                    f"'{path.name}' declares no argument '{name}'{suggest(name, declared.arguments)}: mend this <arg>."
                )
            self._context.variables[name] = self._value(arg, "value")
        self._visit(file.root, file.path)

    def _group(self, entity: Entity) -> None:
        scoped = bool(entity.numbers.get("scoped", True))
        if scoped:
            self._context.push()
        self._visit(entity, self._places[-1])
        if scoped:
            self._context.pop()

    def _node(self, entity: Entity) -> None:
        spec = self._add(node_process(entity, self._context, len(self._processes) + 1))
        if spec.node is None:
            return
        if spec.node in self._nodes:
            raise LaunchError(
                f"the node '{spec.node}' is there already, as [{self._nodes[spec.node].name}]: give this one another "
                "'name' or 'namespace'."
            )
        self._nodes[spec.node] = spec

    def _executable(self, entity: Entity) -> None:
        self._add(executable_process(entity, self._context, len(self._processes) + 1))

    def _add(self, spec: ProcessSpec) -> ProcessSpec:
        self._processes.append(replace(spec, start_after_s=self._now_s))
        return spec

    def _set_env(self, entity: Entity) -> None:
        self._context.environment[self._value(entity, "name")] = self._value(entity, "value")

    def _unset_env(self, entity: Entity) -> None:
        self._context.environment.pop(self._value(entity, "name"), None)

    def _timer(self, entity: Entity) -> None:
        self._reached.append(_Timer(0.0, self._timers_reached, entity, self._places[-1], self._context.file))
        self._timers_reached += 1

    def _period_s(self, entity: Entity) -> float:
        text = self._value(entity, "period")
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0.0 <= seconds < math.inf:
            raise LaunchError(f"'period' must be a number of seconds of at least 0, not '{text}'.")
        return seconds

    def _set_parameter(self, entity: Entity) -> None:
        name = self._value(entity, "name")
        self._context.add_parameter(name, evaluate_global(name, self._value(entity, "value")))

    def _set_remap(self, entity: Entity) -> None:
        self._context.add_remap(self._value(entity, "from"), self._value(entity, "to"))

    def _push_ros_namespace(self, entity: Entity) -> None:
        variables = self._context.variables
        joined = join_namespaces(variables.get(NAMESPACE_VARIABLE), self._value(entity, "namespace"))
        assert joined is not None
        variables[NAMESPACE_VARIABLE] = check_namespace(joined)

    def _log(self, entity: Entity) -> None:
        self._messages.append(LogMessage(self._value(entity, "message"), self._now_s))
