# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""From <node> and <executable> to the command that runs, word for word as launch and launch_ros build it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

from tarsus_edge.launcher.coercion import to_bool
from tarsus_edge.launcher.context import NAMESPACE_VARIABLE, LaunchContext
from tarsus_edge.launcher.document import Entity
from tarsus_edge.launcher.errors import LaunchError, nearest
from tarsus_edge.launcher.names import check_namespace, check_node_name, join_namespaces
from tarsus_edge.launcher.parameters import (
    ANY_NODE,
    ParameterDocument,
    ParameterFile,
    check_parameter_file,
    evaluate_parameter,
)
from tarsus_edge.launcher.plan import ProcessSpec
from tarsus_edge.launcher.substitutions import Call, Template, Text

OUTPUTS = ("screen", "log", "both")
OTHER_OUTPUTS_IN_ROS = ("own_log", "full")


def split_words(template: Template) -> list[Template]:
    """Split command text into words, as ``ExecuteProcess`` does.

    Only plain text is split: the value of a substitution stays in one word, spaces and all, and even an empty value
    is a word.

    Raises:
        LaunchError: a quote in the text is not closed.
    """
    words: list[Template] = []
    word: list[Text | Call] = []

    def end_word() -> None:
        words.append(tuple(word))
        word.clear()

    for piece in template:
        if isinstance(piece, Call):
            word.append(piece)
            continue
        try:
            tokens = shlex.split(piece.text)
        except ValueError:
            raise LaunchError(f"a quote is not closed in '{piece.text.strip()}': close it.") from None
        if not tokens:
            end_word()
            continue
        if piece.text[0].isspace() and word:
            end_word()
        for token in tokens[:-1]:
            word.append(Text(token))
            end_word()
        word.append(Text(tokens[-1]))
        if piece.text[-1].isspace():
            end_word()
    if word:
        end_word()
    return words


def node_process(entity: Entity, context: LaunchContext, number: int) -> ProcessSpec:
    """Return the process of a <node>.

    Args:
        entity: the checked <node>.
        context: what the file sees there.
        number: how many processes came before, plus one.

    Raises:
        LaunchError: something it names is missing or cannot be used.
    """
    name = _optional(entity, "name", context)
    if name is not None:
        check_node_name(name)
    namespace = join_namespaces(context.variables.get(NAMESPACE_VARIABLE), _optional(entity, "namespace", context))
    if namespace is not None:
        check_namespace(namespace)
    command: list[str | ParameterDocument] = [_node_executable(entity, context)]
    command += _words(entity, "args", context)
    if "ros_args" in entity.templates:
        command += ["--ros-args", *_words(entity, "ros_args", context)]
    command.append("--ros-args")
    if name is not None:
        command += ["-r", f"__node:={name}"]
    if namespace is not None:
        command += ["-r", f"__ns:={namespace}"]
    for parameter, value in context.parameters or []:
        command += ["-p", f"{parameter}:={value}"]
    command += _parameter_words(entity, context, _parameter_key(name, namespace))
    remaps = list(context.remaps or [])
    for remap in entity.inner("remap"):
        remaps.append((context.perform(remap.templates["from"]), context.perform(remap.templates["to"])))
    for source, target in remaps:
        command += ["-r", f"{source}:={target}"]
    label = _optional(entity, "exec_name", context)
    full_name = None if name is None else f"{(namespace or '/').rstrip('/')}/{name}"
    return _process(entity, context, number, command, label, full_name)


def executable_process(entity: Entity, context: LaunchContext, number: int) -> ProcessSpec:
    """Return the process of an <executable>; arguments and errors as for ``node_process``."""
    command: list[str | ParameterDocument] = [*_words(entity, "cmd", context)]
    if not command or not command[0]:
        raise LaunchError("'cmd' of <executable> is empty: write a command.")
    return _process(entity, context, number, command, _optional(entity, "name", context), None)


def _process(
    entity: Entity,
    context: LaunchContext,
    number: int,
    command: list[str | ParameterDocument],
    label: str | None,
    node: str | None,
) -> ProcessSpec:
    prefix = _prefix(entity, context, os.path.basename(str(command[0])))
    words = (*prefix, *command)
    environment = dict(context.environment)
    for variable in entity.inner("env"):
        environment[context.perform(variable.templates["name"])] = context.perform(variable.templates["value"])
    folder = _optional(entity, "cwd", context)
    if folder is not None and not Path(folder).is_dir():
        raise LaunchError(f"there is no folder '{folder}' to run in: create it, or mend 'cwd'.")
    _check_command(str(words[0]), folder, environment)
    respawn = _optional(entity, "respawn", context)
    return ProcessSpec(
        name=f"{os.path.basename(str(words[0])) if label is None else label}-{number}",
        command=words,
        environment=environment,
        folder=folder,
        output=_output(entity, context),
        node=node,
        required="on_exit" in entity.texts,
        respawn=respawn is not None and to_bool(respawn, "'respawn'"),
        respawn_delay_s=entity.numbers.get("respawn_delay", 0.0),
        respawn_max_retries=int(entity.numbers.get("respawn_max_retries", -1)),
        sigterm_timeout_s=_timeout(entity, context, "sigterm_timeout"),
        sigkill_timeout_s=_timeout(entity, context, "sigkill_timeout"),
    )


def _node_executable(entity: Entity, context: LaunchContext) -> str:
    executable = context.perform(entity.templates["exec"])
    package = _optional(entity, "pkg", context)
    return executable if package is None else str(context.index.executable(package, executable))


def _parameter_key(name: str | None, namespace: str | None) -> str:
    """Parameters name their node only when name and namespace are both given, as in launch_ros."""
    if name is None or namespace is None:
        return ANY_NODE
    return f"{namespace.rstrip('/')}/{name}"


def _parameter_words(entity: Entity, context: LaunchContext, node: str) -> list[str | ParameterDocument]:
    words: list[str | ParameterDocument] = []
    for parameter in entity.parameters:
        words.append("--params-file")
        if isinstance(parameter, ParameterFile):
            path = Path(context.perform(parameter.path))
            check_parameter_file(path)
            words.append(str(path))
        else:
            words.append(ParameterDocument(node, evaluate_parameter(parameter, context)))
    return words


def _words(entity: Entity, attribute: str, context: LaunchContext) -> list[str]:
    template = entity.templates.get(attribute)
    return [] if template is None else [context.perform(word) for word in split_words(template)]


def _optional(entity: Entity, attribute: str, context: LaunchContext) -> str | None:
    template = entity.templates.get(attribute)
    return None if template is None else context.perform(template)


def _prefix(entity: Entity, context: LaunchContext, program: str) -> list[str]:
    """Words in front of the command: the attribute, else the launch argument, both named ``launch-prefix``."""
    text = _optional(entity, "launch-prefix", context)
    if text is None:
        text = context.variables.get("launch-prefix", "")
        try:
            if not re.match(context.variables.get("launch-prefix-filter", ""), program):
                return []
        except re.error as error:
            raise LaunchError(f"launch-prefix-filter is no regular expression ({error}): mend it.") from None
    try:
        return shlex.split(text)
    except ValueError:
        raise LaunchError(f"a quote is not closed in the launch prefix '{text}': close it.") from None


def _output(entity: Entity, context: LaunchContext) -> str:
    output = context.environment.get("OVERRIDE_LAUNCH_PROCESS_OUTPUT") or _optional(entity, "output", context) or "log"
    if output in OTHER_OUTPUTS_IN_ROS:
        raise LaunchError(
            f"output '{output}' is known to ros2 launch but not to tarsus launch: use {', '.join(OUTPUTS)}."
        )
    if output not in OUTPUTS:
        raise LaunchError(f"there is no output '{output}'{nearest(output, OUTPUTS)}: use {', '.join(OUTPUTS)}.")
    return output


def _timeout(entity: Entity, context: LaunchContext, name: str) -> float | None:
    if name in entity.numbers:
        return entity.numbers[name]
    if name not in context.variables:
        return None
    text = context.variables[name]
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < float("inf"):
        raise LaunchError(f"'{name}' must be a number of seconds of at least 0, not '{text}'.")
    return seconds


def _check_command(program: str, folder: str | None, environment: dict[str, str]) -> None:
    path = program
    if "/" in program and folder is not None:
        path = os.path.join(folder, program)
    if shutil.which(path, path=environment.get("PATH")) is None:
        where = "" if "/" in program else " on the PATH"
        raise LaunchError(f"there is no executable '{program}'{where}: install it, or mend the command.")
