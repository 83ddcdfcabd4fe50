# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Launch arguments: their form, which are declared where, and the listing of --show-args."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tarsus_edge.launcher.arguments import describe_arguments, parse_arguments
from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.loading import load_declared, load_plan


def test_arguments_are_split_at_the_first_sign_and_the_last_of_a_name_counts() -> None:
    assert parse_arguments(["a:=1", "b:=x:=y z", "a:=2"]) == {"a": "2", "b": "x:=y z"}


@pytest.mark.parametrize("word", ["a", "a=1", ":=1", "a:=", ""])
def test_other_forms_are_refused(word: str) -> None:
    with pytest.raises(LaunchError, match="is no launch argument: write name:=value"):
        parse_arguments([word])


def test_listing_tells_defaults_choices_conditions_and_included_files(prefix: Any, write: Callable[..., Path]) -> None:
    write('<arg name="inner" default="$(env T_HOME)/x" description="of the included file"/>', "inner.launch.xml")
    file = write(
        """
        <arg name="policy" description="the policy file"/>
        <arg name="robot" default="g1"><choice value="g1"/><choice value="h1"/></arg>
        <group if="$(equals $(var robot) h1)"><arg name="height" default="$(var nobody)"/></group>
        <include file="$(dirname)/inner.launch.xml" unless="true"/>
        """
    )
    assert describe_arguments(load_declared(file, environment=prefix.environment)) == (
        "Arguments (pass arguments as '<name>:=<value>'):\n"
        "\n    'policy':\n        the policy file\n        (required)\n"
        "\n    'robot':\n        no description given\n        (one of: g1, h1)\n        (default: 'g1')\n"
        "\n    'height':*\n        no description given\n        (default: '$(var nobody)')\n"
        "\n    'inner':*\n        of the included file\n        (default: '$(env T_HOME)/x')\n"
        "\n* argument(s) which are only used if specific conditions occur"
    )


def test_listing_of_a_file_without_arguments(prefix: Any, write: Callable[..., Path]) -> None:
    text = describe_arguments(load_declared(write(""), environment=prefix.environment))
    assert text == "Arguments (pass arguments as '<name>:=<value>'):\n\n  No arguments."


def test_an_argument_of_an_included_file_may_be_given_even_when_it_is_switched_off(
    prefix: Any, write: Callable[..., Path]
) -> None:
    write('<arg name="inner" default="1"/>', "inner.launch.xml")
    file = write('<include file="$(dirname)/inner.launch.xml" if="false"/>')
    assert load_plan(file, {"inner": "2"}, environment=prefix.environment).arguments == {}
    file = write('<include file="$(dirname)/inner.launch.xml"/>')
    assert load_plan(file, {"inner": "2"}, environment=prefix.environment).arguments == {"inner": "2"}


def test_an_included_file_chosen_by_an_argument_is_asked_for_its_own(prefix: Any, write: Callable[..., Path]) -> None:
    write('<arg name="of_a" default="1"/>', "a.launch.xml")
    write('<arg name="of_b" default="1"/>', "b.launch.xml")
    file = write('<arg name="which" default="a"/><include file="$(dirname)/$(var which).launch.xml"/>')
    environment = prefix.environment
    assert load_plan(file, {"of_a": "2"}, environment=environment).arguments == {"which": "a", "of_a": "2"}
    assert load_plan(file, {"which": "b", "of_b": "2"}, environment=environment).arguments["of_b"] == "2"
    with pytest.raises(LaunchError, match=r"has no launch argument 'of_c' \(did you mean 'of_b'\?\)"):
        load_plan(file, {"which": "b", "of_c": "2"}, environment=environment)
    listing = describe_arguments(load_declared(file, {"which": "b"}, environment=environment))
    assert "'of_b'" in listing and "its own arguments may be missing here" in listing


def test_a_wrong_name_is_named_before_what_is_missing_because_of_it(prefix: Any, write: Callable[..., Path]) -> None:
    with pytest.raises(LaunchError, match=r"has no launch argument 'polcy' \(did you mean 'policy'\?\)"):
        load_plan(write('<arg name="policy"/>'), {"polcy": "a"}, environment=prefix.environment)


def test_all_missing_arguments_are_named_at_once(prefix: Any, write: Callable[..., Path]) -> None:
    with pytest.raises(LaunchError, match=r"needs the launch argument 'a': add a:=VALUE, b:=VALUE\.$"):
        load_plan(write('<arg name="a"/><arg name="b"/><arg name="c" if="false"/>'), environment=prefix.environment)
