# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
r"""The grammar of substitutions; every tree below is the one that launch_xml of ROS 2 Jazzy builds of the same text."""

import pytest

from tarsus_edge.launcher.errors import LaunchError
from tarsus_edge.launcher.substitutions import Call, Template, Text, parse_template

X = Call("var", ((Text("x"),),))


def var(*arguments: Template) -> Call:
    return Call("var", arguments)


def text(value: str) -> Template:
    return (Text(value),)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", text("")),
        ("plain text", text("plain text")),
        ("a $(var x)", (Text("a "), X)),
        ("$(var x))", (X, Text(")"))),
        ("'$(var x)'", (Text("'"), X, Text("'"))),
        ("$(dirname)/a", (Call("dirname", ()), Text("/a"))),
        ("$x $ $$(var x)", (Text("$x $ $"), X)),
        (r"\$(var x)", text("$(var x)")),
        (r"\\$(var x)", text(r"\$(var x)")),
        (r"a\b \\ \( a\\", text("ab \\ ( a\\")),
        ("a\\", text("a\\")),
        ("$(var a b)", (var(text("a"), text("b")),)),
        ("$(var 'a b')", (var(text("a b")),)),
        ("$(var \"a 'b'\")", (var(text("a 'b'")),)),
        ("$(env x '')", (Call("env", (text("x"), ())),)),
        (r"$(var 'a\'b')", (var(text("a'b")),)),
        (r"$(var \(x\))", (var(text("(x)")),)),
        (r"$(var a\ b)", (var(text("a\\"), text("b")),)),
        ("$(var a$)", (var(text("a$")),)),
        ("$(var a\nb)", (var(text("a\nb")),)),
        ("$(var a$(var x)b)", (var((Text("a"), X, Text("b"))),)),
        ("$(var $(var x) 'to $(var x)!')", (var((X,), (Text("to "), X, Text("!"))),)),
        ("$(var \"q $(env a 'd')\")", (var((Text("q "), Call("env", (text("a"), text("'d'"))))),)),
        (r"$(var 'a\$(var x)')", (var(text("a$(var x)")),)),
    ],
)
def test_text_is_read_as_launch_reads_it(source: str, expected: Template) -> None:
    assert parse_template(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "$(var x",
        "$()",
        "$(1a)",
        "$(var  x)",
        "$(var x )",
        "$(var\tx)",
        "$(dirname )",
        "$(var 'a'b)",
        "$(var a'b)",
        "$(var 'a)",
        r"$(var a\)",
        r"$(env 'a\\' b)",
    ],
)
def test_what_launch_cannot_read_is_refused_in_one_sentence(source: str) -> None:
    with pytest.raises(LaunchError) as caught:
        parse_template(source)
    message = str(caught.value)
    assert source in message and message.endswith(".") and "\n" not in message.replace(source, "")
