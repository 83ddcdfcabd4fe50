# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Finding ROS packages, their files and executables, through the ament index, without ROS."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tarsus_edge.launcher.errors import LaunchError, nearest

PREFIX_PATH = "AMENT_PREFIX_PATH"
INDEX = Path("share", "ament_index", "resource_index", "packages")
SOURCE_PACKAGE = "tarsus"
"""The package whose source tree stands in for its share folder when it is not installed."""


def source_tree() -> Path | None:
    """Return the root of the source tree that this module runs from, or None when it is installed."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "launch").is_dir() and (root / "package.xml").is_file() else None


@dataclass(frozen=True)
class AmentIndex:
    """Install prefixes to look in, in order.

    Attributes:
        prefixes: install prefixes; the first that holds a package wins, as in ``ament_index_python``.
        source_root: folder that serves as the share folder of ``tarsus`` when no prefix holds that package.
    """

    prefixes: tuple[Path, ...]
    source_root: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> AmentIndex:
        """Look in the entries of ``AMENT_PREFIX_PATH``, then in ``sys.prefix``, then in the source tree."""
        prefixes = [Path(entry) for entry in environment.get(PREFIX_PATH, "").split(os.pathsep) if entry]
        if Path(sys.prefix) not in prefixes:
            prefixes.append(Path(sys.prefix))
        return cls(tuple(prefixes), source_tree())

    def packages(self) -> list[str]:
        """Return the names of all packages found, sorted."""
        names = {SOURCE_PACKAGE} if self.source_root else set()
        for prefix in self.prefixes:
            folder = prefix / INDEX
            if folder.is_dir():
                names.update(entry.name for entry in folder.iterdir())
        return sorted(names)

    def prefix(self, package: str) -> Path:
        """Return the install prefix of ``package``.

        Raises:
            LaunchError: no prefix holds it.
        """
        found = self._find(package)
        if found is None:
            raise self._missing(package)
        return found

    def share(self, package: str) -> Path:
        """Return the share folder of ``package``.

        Raises:
            LaunchError: no prefix holds the package.
        """
        found = self._find(package)
        if found is not None:
            return found / "share" / package
        if package == SOURCE_PACKAGE and self.source_root is not None:
            return self.source_root
        raise self._missing(package)

    def executable(self, package: str, name: str) -> Path:
        """Return the path of the executable ``name`` of ``package``: ``<prefix>/lib/<package>/<name>``.

        Raises:
            LaunchError: the package or the executable is missing; the message lists the executables there are.
        """
        folder = self.prefix(package) / "lib" / package
        path = folder / name
        if path.is_file() and os.access(path, os.X_OK):
            return path
        names = executables(folder)
        if not names:
            raise LaunchError(f"package '{package}' has no executables in '{folder}': build and install it again.")
        raise LaunchError(
            f"package '{package}' has no executable '{name}'{nearest(name, names)}: it has {', '.join(names)}."
        )

    def _find(self, package: str) -> Path | None:
        if not package or "/" in package:
            return None
        return next((prefix for prefix in self.prefixes if (prefix / INDEX / package).is_file()), None)

    def _missing(self, package: str) -> LaunchError:
        hint = nearest(package, self.packages())
        return LaunchError(
            f"there is no ROS package '{package}'{hint}: install it, or add its install prefix to {PREFIX_PATH}."
        )


def executables(folder: Path) -> list[str]:
    """Return the names of the executable files in ``folder``, sorted; none when it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file() and os.access(entry, os.X_OK))


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` with what every node needs and a fresh shell lacks.

    ``AMENT_PREFIX_PATH`` gets ``sys.prefix`` in front, unless it is there already (the order then stays), because the
    nodes run on the ROS libraries of this Python. ``ROS_AUTOMATIC_DISCOVERY_RANGE`` becomes LOCALHOST when unset, so
    that a robot is not joined to a network by accident. ``ROS_DOMAIN_ID`` stays as it is.
    """
    result = dict(environment)
    entries = [entry for entry in result.get(PREFIX_PATH, "").split(os.pathsep) if entry]
    if sys.prefix not in entries:
        entries.insert(0, sys.prefix)
    result[PREFIX_PATH] = os.pathsep.join(entries)
    result.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return result
