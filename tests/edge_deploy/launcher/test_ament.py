# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Packages, executables and launch files through the ament index, and the environment of children."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tarsus_edge.launcher import ament
from tarsus_edge.launcher.ament import AmentIndex, child_environment
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.loading import find_launch_file


def test_the_first_prefix_that_holds_a_package_wins(prefix: Any, tmp_path: Path) -> None:
    other = type(prefix)(tmp_path / "other")
    other.add_package("only_here")
    index = AmentIndex((prefix.root, other.root))
    assert index.prefix("demo") == prefix.root
    assert index.prefix("only_here") == other.root
    assert index.share("demo") == prefix.root / "share/demo"
    assert index.packages() == ["demo", "only_here"]


def test_the_prefix_of_this_python_comes_last_when_looking(prefix: Any) -> None:
    index = AmentIndex.from_environment({"AMENT_PREFIX_PATH": f"{prefix.root}{os.pathsep}"})
    assert index.prefixes == (prefix.root, Path(sys.prefix))
    index = AmentIndex.from_environment({"AMENT_PREFIX_PATH": f"{sys.prefix}:{prefix.root}"})
    assert index.prefixes == (Path(sys.prefix), prefix.root)
    assert AmentIndex.from_environment({}).prefixes == (Path(sys.prefix),)


def test_executables_must_be_executable(prefix: Any) -> None:
    index = AmentIndex((prefix.root,))
    path = prefix.add_executable("demo", "walk", "#!/bin/sh\n")
    assert index.executable("demo", "walk") == path
    path.chmod(0o644)
    with pytest.raises(LaunchError, match=r"package 'demo' has no executable 'walk': it has dump\.$"):
        index.executable("demo", "walk")


def test_a_package_without_executables_says_so(prefix: Any) -> None:
    prefix.add_package("bare")
    with pytest.raises(LaunchError, match=r"package 'bare' has no executables in '.*lib/bare': build and install it"):
        AmentIndex((prefix.root,)).executable("bare", "x")


@pytest.mark.parametrize("name", ["", "a/b", "../demo"])
def test_names_that_are_paths_find_no_package(name: str, prefix: Any) -> None:
    with pytest.raises(LaunchError, match="there is no ROS package"):
        AmentIndex((prefix.root,)).prefix(name)


def test_children_get_the_prefix_of_this_python_first_and_stay_on_this_machine() -> None:
    environment = child_environment({"AMENT_PREFIX_PATH": "/a:/b", "ROS_DOMAIN_ID": "7"})
    assert environment["AMENT_PREFIX_PATH"] == f"{sys.prefix}:/a:/b"
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert environment["ROS_DOMAIN_ID"] == "7"
    given = {"AMENT_PREFIX_PATH": f"/a:{sys.prefix}", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    assert child_environment(given) == given
    assert child_environment({})["AMENT_PREFIX_PATH"] == sys.prefix


def _install_launch_file(prefix: Any, package: str, name: str) -> Path:
    prefix.add_package(package)
    path = prefix.root / "share" / package / "launch" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<launch/>")
    return Path(path)


def test_a_name_means_a_launch_file_of_tarsus(prefix: Any) -> None:
    path = _install_launch_file(prefix, "tarsus", "sim.launch.xml")
    _install_launch_file(prefix, "tarsus", "robot.launch.xml")
    assert find_launch_file("sim", environment=prefix.environment) == path
    with pytest.raises(
        LaunchError, match=r"tarsus has no launch file 'simm' \(did you mean 'sim'\?\): it has robot, sim"
    ):
        find_launch_file("simm", environment=prefix.environment)


def test_package_and_file_as_in_ros2_launch(prefix: Any) -> None:
    path = _install_launch_file(prefix, "demo", "walk.launch.xml")
    assert find_launch_file("demo", "walk.launch.xml", environment=prefix.environment) == path
    with pytest.raises(LaunchError, match=r"'demo' has no file 'wlk.launch.xml' \(did you mean 'walk.launch.xml'\?\)"):
        find_launch_file("demo", "wlk.launch.xml", environment=prefix.environment)
    (prefix.root / "share/demo/walk.launch.xml").write_text("<launch/>")
    with pytest.raises(LaunchError, match=r"'demo' has 2 files 'walk.launch.xml': name one by its path"):
        find_launch_file("demo", "walk.launch.xml", environment=prefix.environment)
    with pytest.raises(LaunchError, match=r"there is no ROS package 'demmo' \(did you mean 'demo'\?\)"):
        find_launch_file("demmo", "walk.launch.xml", environment=prefix.environment)


def test_a_path_means_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.launch.xml").write_text("<launch/>")
    monkeypatch.chdir(tmp_path)
    assert find_launch_file("my.launch.xml") == Path("my.launch.xml")
    assert find_launch_file(str(tmp_path / "my.launch.xml")) == tmp_path / "my.launch.xml"
    with pytest.raises(LaunchError, match=r"There is no launch file 'your.launch.xml': check the path"):
        find_launch_file("your.launch.xml")


def test_the_source_tree_stands_in_for_a_package_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "edge_deploy" / "tarsus_edge" / "launcher" / "ament.py"
    monkeypatch.setattr(ament, "__file__", str(module))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    assert ament.source_tree() is None
    (tmp_path / "launch").mkdir()
    (tmp_path / "launch" / "sim.launch.xml").write_text("<launch/>")
    (tmp_path / "package.xml").write_text("<package/>")
    assert find_launch_file("sim", environment={}) == tmp_path / "launch" / "sim.launch.xml"
    assert find_launch_file("tarsus", "sim.launch.xml", environment={}) == tmp_path / "launch" / "sim.launch.xml"
    assert AmentIndex.from_environment({}).share("tarsus") == tmp_path
    with pytest.raises(LaunchError, match="there is no ROS package 'tarsus'"):
        AmentIndex.from_environment({}).prefix("tarsus")
