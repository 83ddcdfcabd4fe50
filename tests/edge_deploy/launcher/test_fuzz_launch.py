# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever a launch file holds, it becomes a plan or is refused in one sentence before anything starts."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tarsus_edge.launcher import LaunchError, LaunchPlan, load_plan

pytestmark = pytest.mark.fuzz

SIM = (Path(__file__).resolve().parents[3] / "launch" / "sim.launch.xml").read_text(encoding="utf-8")
TAGS = (
    "launch arg let include group node executable set_env unset_env timer set_parameter set_remap param remap env log"
)
ATTRIBUTES = "name default value description pkg exec cmd file if unless from to period output on_exit type respawn cwd"
WORDS = [
    *(
        "true",
        "false",
        "1",
        "0",
        "-1.5",
        "nan",
        "[1, 2]",
        "a",
        "sim_node",
        "tarsus_nodes",
        "tarsus",
        "screen",
        "shutdown",
    ),
    *("$(var a)", "$(var", "$(env HOME)", "$(env NOPE)", "$(dirname)", "$(find-pkg-share tarsus)", "$(not true)"),
    *("$(and 1 0)", "$(if true a b)", "\\$(x)", "$(eval 1+1)", "$(var $(var a))", "str", "int", "~", "/a/../b", " "),
]
words = st.one_of(st.sampled_from(WORDS), st.text(st.characters(codec="utf-8"), max_size=8))
attributes = st.dictionaries(st.sampled_from(ATTRIBUTES.split()), words, max_size=4)


def element(tag: str, given_attributes: dict[str, str], children: list[ElementTree.Element]) -> ElementTree.Element:
    made = ElementTree.Element(tag, given_attributes)
    made.extend(children)
    return made


elements = st.recursive(
    st.builds(element, st.sampled_from(TAGS.split()), attributes, st.just([])),
    lambda inner: st.builds(element, st.sampled_from(TAGS.split()), attributes, st.lists(inner, max_size=3)),
    max_leaves=6,
)


def plan(text: bytes, folder: Path, **arguments: str) -> LaunchPlan | None:
    file = folder / "fuzz.launch.xml"
    file.write_bytes(text)
    try:
        return load_plan(file, arguments)
    except LaunchError as error:
        sentence = str(error)
        assert sentence and "\n" not in sentence
        return None


PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@PATIENT
@given(st.lists(elements, max_size=5), st.dictionaries(st.sampled_from(["a", "b", "policy"]), words, max_size=2))
def test_any_tree_of_tags(tmp_path: Path, children: list[ElementTree.Element], arguments: dict[str, str]) -> None:
    plan(ElementTree.tostring(element("launch", {}, children), encoding="utf-8"), tmp_path, **arguments)


@PATIENT
@given(st.integers(0, len(SIM) - 1), st.integers(0, 40), st.sampled_from([*WORDS, "<", ">", "&", '"', "</node>"]))
def test_any_change_of_a_good_file(tmp_path: Path, place: int, length: int, word: str) -> None:
    plan((SIM[:place] + word + SIM[place + length :]).encode(), tmp_path)


@PATIENT
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    assert plan(data, tmp_path) is None
