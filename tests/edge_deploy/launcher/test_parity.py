# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Commands, parameters, environment and folders of launch files, against what ``ros2 launch`` gave to real processes.

``parity/*.expected.yaml`` was recorded from processes that ``ros2 launch`` (launch 3.4.3, launch_ros 0.26.6) started
from the same files; {PREFIX}, {HERE} and {CWD} stand for the folders of the day.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tarsus_edge.launcher.loading import load_plan
from tarsus_edge.launcher.parameters import ParameterDocument

PARITY = Path(__file__).parent / "parity"
ARGUMENTS = {"arguments": {"given": "a value"}}


@pytest.mark.parametrize("file", sorted(PARITY.glob("*.launch.xml")), ids=lambda path: path.name.split(".")[0])
def test_processes_get_what_ros2_launch_gives_them(
    file: Path, prefix: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = file.name.removesuffix(".launch.xml")
    monkeypatch.chdir(tmp_path)
    plan = load_plan(file, ARGUMENTS.get(name, {}), environment=prefix.environment)
    found = [
        {
            "name": process.name,
            "command": [
                {"parameters": yaml.safe_load(word.to_yaml())} if isinstance(word, ParameterDocument) else word
                for word in process.command
            ],
            "environment": {key: value for key, value in process.environment.items() if key.startswith("T_")},
            "folder": process.folder or str(tmp_path),
        }
        for process in plan.processes
    ]
    expected = yaml.safe_load((PARITY / f"{name}.expected.yaml").read_text())
    assert expected, "the record is empty"
    assert (
        with_placeholders(found, {str(prefix.root): "{PREFIX}", str(PARITY): "{HERE}", str(tmp_path): "{CWD}"})
        == expected
    )


def with_placeholders(value: Any, folders: dict[str, str]) -> Any:
    if isinstance(value, str):
        for folder, placeholder in folders.items():
            value = value.replace(folder, placeholder)
        return value
    if isinstance(value, list):
        return [with_placeholders(item, folders) for item in value]
    if isinstance(value, dict):
        return {key: with_placeholders(item, folders) for key, item in value.items()}
    return value


def test_timers_fire_at_their_times_one_inside_the_other(prefix: Any) -> None:
    plan = load_plan(PARITY / "timers.launch.xml", environment=prefix.environment)
    assert [process.start_after_s for process in plan.processes] == pytest.approx([0.0, 0.3, 0.6, 0.9])


def test_messages_are_evaluated_in_their_place_and_time(prefix: Any, write: Callable[..., Path]) -> None:
    file = write(
        """
        <let name="a" value="1"/><log message="a is $(var a)"/>
        <timer period="2"><log message="then $(var a)"/></timer>
        <let name="a" value="2"/><log message="a is $(var a)"/>
        """
    )
    plan = load_plan(file, environment=prefix.environment)
    assert [(message.text, message.after_s) for message in plan.messages] == [
        ("a is 1", 0.0),
        ("a is 2", 0.0),
        ("then 2", 2.0),
    ]


def test_process_options_reach_the_plan(prefix: Any, write: Callable[..., Path]) -> None:
    file = write(
        """
        <arg name="sigkill_timeout" default="7"/>
        <let name="again" value="1"/>
        <node pkg="demo" exec="dump" name="a" namespace="b" output="both" on_exit="shutdown" respawn="$(var again)"
              respawn_delay="1.5" respawn_max_retries="2" sigterm_timeout="0.5"/>
        <executable cmd="true"/>
        """
    )
    first, second = load_plan(file, environment=prefix.environment).processes
    assert (first.node, first.output, first.required, first.respawn) == ("/b/a", "both", True, True)
    assert (first.respawn_delay_s, first.respawn_max_retries) == (1.5, 2)
    assert (first.sigterm_timeout_s, first.sigkill_timeout_s) == (0.5, 7.0)
    assert (second.node, second.output, second.required, second.respawn) == (None, "log", False, False)
    assert (second.respawn_delay_s, second.respawn_max_retries, second.sigterm_timeout_s) == (0.0, -1, None)


def test_launch_prefix_argument_goes_before_the_programs_its_filter_matches(
    prefix: Any, write: Callable[..., Path]
) -> None:
    file = write('<executable cmd="true"/><executable cmd="false"/>')
    given = {"launch-prefix": "env A='b c'", "launch-prefix-filter": "tr"}
    first, second = load_plan(file, given, environment=prefix.environment).processes
    assert (first.command, first.name) == (("env", "A=b c", "true"), "env-1")
    assert (second.command, second.name) == (("false",), "false-2")
