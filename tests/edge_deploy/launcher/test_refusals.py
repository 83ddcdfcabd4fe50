# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Every refusal in refusals.yaml, word for word; its ``ros2`` column was checked against ``ros2 launch`` itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tarsus_edge.launcher.arguments import parse_arguments
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.loading import load_plan

HERE = Path(__file__).parent
CASES: dict[str, Any] = yaml.safe_load((HERE / "refusals.yaml").read_text())


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_names_the_place_the_value_and_the_mend(name: str, prefix: Any, tmp_path: Path) -> None:
    case = CASES[name]
    document = case["document"] if "document" in case else f"<launch>{case['body']}</launch>"
    path = tmp_path / "test.launch.xml"
    path.write_text(document.replace("{HERE}", str(HERE)))
    with pytest.raises(LaunchError) as caught:
        load_plan(path, parse_arguments(case.get("arguments", [])), environment=prefix.environment)
    message = str(caught.value)
    assert case["says"].replace("{HERE}", str(HERE)) in message
    assert message.startswith("test.launch.xml") or "line" not in case["says"]
    assert "\n" not in message and message.endswith(".")


def test_a_deeply_nested_include_names_the_file_with_the_fault(prefix: Any, tmp_path: Path) -> None:
    (tmp_path / "inner.launch.xml").write_text("<launch>\n\n<log message='$(var nobody)'/></launch>")
    outer = tmp_path / "outer.launch.xml"
    outer.write_text("<launch><include file='$(dirname)/inner.launch.xml'/><log message='$(var none)'/></launch>")
    with pytest.raises(LaunchError, match=r"^inner\.launch\.xml, line 3: there is no launch variable 'nobody'"):
        load_plan(outer, environment=prefix.environment)


def test_the_place_after_an_include_is_the_outer_file_again(prefix: Any, tmp_path: Path) -> None:
    (tmp_path / "inner.launch.xml").write_text("<launch/>")
    outer = tmp_path / "outer.launch.xml"
    outer.write_text("<launch><include file='$(dirname)/inner.launch.xml'/>\n<log message='$(var none)'/></launch>")
    with pytest.raises(LaunchError, match=r"^outer\.launch\.xml, line 2: "):
        load_plan(outer, environment=prefix.environment)


def test_files_that_include_each_other_are_refused(prefix: Any, tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.launch.xml").write_text(
            f"<launch><include file='$(dirname)/{other}.launch.xml'/></launch>"
        )
    with pytest.raises(LaunchError, match=r"line 1: 'a\.launch\.xml' includes itself, without end"):
        load_plan(tmp_path / "a.launch.xml", environment=prefix.environment)


def test_one_file_may_be_included_twice(prefix: Any, tmp_path: Path) -> None:
    (tmp_path / "a.launch.xml").write_text("<launch><executable cmd='true'/></launch>")
    outer = tmp_path / "outer.launch.xml"
    outer.write_text("<launch>" + "<include file='$(dirname)/a.launch.xml'/>" * 2 + "</launch>")
    names = [process.name for process in load_plan(outer, environment=prefix.environment).processes]
    assert names == ["true-1", "true-2"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", "the XML is broken near column"),
        (b"<launch>\x00</launch>", "the XML is broken near column"),
        (b"<launch><node pkg='\xe4'/></launch>", "the XML is broken near column"),
        (b"<launch/><launch/>", "the XML is broken near column"),
        (b"<launch/>" + b" " * 5_000_000, "is larger than 4000000 bytes"),
    ],
)
def test_files_that_are_no_launch_file_are_refused(content: bytes, says: str, prefix: Any, tmp_path: Path) -> None:
    path = tmp_path / "test.launch.xml"
    path.write_bytes(content)
    with pytest.raises(LaunchError, match=says):
        load_plan(path, environment=prefix.environment)


def test_broken_parameter_files_are_refused(prefix: Any, tmp_path: Path) -> None:
    path = tmp_path / "test.launch.xml"
    path.write_text("<launch><node pkg='demo' exec='dump'><param from='$(dirname)/p.yaml'/></node></launch>")
    (tmp_path / "p.yaml").write_text("/**:\n  ros__parameters: [1,\n")
    with pytest.raises(LaunchError, match=r"line 1: the parameter file '.*p\.yaml' is not YAML: mend line 3\.$"):
        load_plan(path, environment=prefix.environment)
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(LaunchError, match=r"the parameter file '.*p\.yaml' cannot be read"):
        load_plan(path, environment=prefix.environment)
    (tmp_path / "p.yaml").write_text("a:\n  b:\n    ros__parameters: {c: 1}\n")
    assert load_plan(path, environment=prefix.environment).processes[0].command[-1] == str(tmp_path / "p.yaml")
