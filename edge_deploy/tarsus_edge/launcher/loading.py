# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""From what a user types to a plan: finding the launch file, checking the arguments, resolving."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tarsus_edge.launcher.ament import SOURCE_PACKAGE, AmentIndex, child_environment
from tarsus_edge.launcher.arguments import Declared, check_given, declared_arguments
from tarsus_edge.launcher.context import LaunchContext
from tarsus_edge.launcher.document import FILE_ENDINGS, load_file
from tarsus_edge.launcher.errors import LaunchError, nearest
from tarsus_edge.launcher.plan import LaunchPlan
from tarsus_edge.launcher.resolver import resolve

LAUNCH_FOLDER = "launch"


def find_launch_file(name: str, file: str | None = None, *, environment: Mapping[str, str] | None = None) -> Path:
    """Return the path of a launch file.

    Args:
        name: a path; or a name such as ``sim``, which means ``launch/sim.launch.xml`` in the share folder of the
            package ``tarsus``; or, when ``file`` is given, a package.
        file: name of a file anywhere in the share folder of the package ``name``, as for ``ros2 launch``.
        environment: where AMENT_PREFIX_PATH is read; ``os.environ`` by default.

    Raises:
        LaunchError: there is no such file, or there are several.
    """
    index = AmentIndex.from_environment(os.environ if environment is None else environment)
    if file is not None:
        return _in_package(index, name, file)
    if os.sep in name or name.endswith(FILE_ENDINGS) or Path(name).is_file():
        path = Path(name)
        if not path.is_file():
            raise LaunchError(f"There is no launch file '{name}': check the path, or see 'tarsus launch --help'.")
        return path
    folder = index.share(SOURCE_PACKAGE) / LAUNCH_FOLDER
    path = folder / f"{name}.launch.xml"
    if not path.is_file():
        names = sorted(found.name.removesuffix(".launch.xml") for found in folder.glob("*.launch.xml"))
        known = f"it has {', '.join(names)}" if names else f"'{folder}' is empty"
        raise LaunchError(f"tarsus has no launch file '{name}'{nearest(name, names)}: {known}.")
    return path


def load_plan(
    path: Path, arguments: Mapping[str, str] | None = None, *, environment: Mapping[str, str] | None = None
) -> LaunchPlan:
    """Read the launch file at ``path`` and decide everything in it; nothing starts.

    Args:
        path: the launch file.
        arguments: launch arguments by name.
        environment: environment of the processes, completed by ``ament.child_environment``; ``os.environ`` by default.

    Raises:
        LaunchError: the file, an argument, or anything the file names cannot be used.
    """
    given = dict(arguments or {})
    source = os.environ if environment is None else environment
    declared = load_declared(path, given, environment=source)
    if declared.complete:
        check_given(given, declared.arguments, path)
    plan = resolve(path, given, child_environment(source), AmentIndex.from_environment(source))
    if not declared.complete:
        check_given(given, [*declared.arguments, *plan.arguments], path)
    return plan


def load_declared(
    path: Path, arguments: Mapping[str, str] | None = None, *, environment: Mapping[str, str] | None = None
) -> Declared:
    """Return the arguments that the launch file at ``path`` and the files it includes declare.

    Args and errors are those of ``load_plan``.
    """
    source = os.environ if environment is None else environment
    file = load_file(path)
    index = AmentIndex.from_environment(source)
    return declared_arguments(file, LaunchContext(index, child_environment(source), arguments or {}, file.path))


def _in_package(index: AmentIndex, package: str, file: str) -> Path:
    share = index.share(package)
    folder = share / LAUNCH_FOLDER if index.source_root == share else share
    # os.walk, as ros2 launch does it: folders that are links are not entered.
    files = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
    found = sorted(path for path in files if path.name == file)
    if len(found) == 1:
        return found[0]
    if found:
        raise LaunchError(
            f"Package '{package}' has {len(found)} files '{file}': name one by its path, such as '{found[0]}'."
        )
    launch_files = sorted(path.name for path in files if path.name.endswith(FILE_ENDINGS[0]))
    known = f"it has {', '.join(launch_files)}" if launch_files else f"it has no launch file in '{share}'"
    raise LaunchError(f"Package '{package}' has no file '{file}'{nearest(file, launch_files)}: {known}.")
