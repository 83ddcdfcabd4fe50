# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Launch XML as a tree that remembers line numbers (ElementTree's elements do not)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from tarsus_edge.launcher.errors import LaunchError

MAX_FILE_BYTES = 4_000_000
"""A launch file larger than this is surely not one."""


@dataclass
class XmlElement:
    """One element: its tag, raw attribute texts, child elements and line in the file."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[XmlElement] = field(default_factory=list)


def read_xml(path: Path) -> XmlElement:
    """Read the root element of ``path``.

    Raises:
        LaunchError: the file is missing or unreadable, is not XML, declares a document type, or has text
            between its tags (launch XML keeps everything in attributes, so text is a slip of the pen).
    """
    content = _read_bytes(path)
    open_elements: list[XmlElement] = []
    roots: list[XmlElement] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = XmlElement(tag, attributes, parser.CurrentLineNumber)
        (open_elements[-1].children if open_elements else roots).append(element)
        open_elements.append(element)

    def end(_tag: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        if data.strip():
            place = f"{path.name}, line {parser.CurrentLineNumber}"
            word = data.strip().split()[0]
            raise LaunchError(
                f"{place}: the text '{word}' stands between tags, where launch XML has none: put it into an "
                "attribute or a comment.",
                located=True,
            )

    def doctype(*_: object) -> None:
        raise LaunchError(
            f"{path.name}, line {parser.CurrentLineNumber}: a <!DOCTYPE> is not allowed in a launch file: delete it.",
            located=True,
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise LaunchError(
            f"{path.name}, line {error.lineno}: the XML is broken near column {error.offset + 1} ({reason}): mend it.",
            located=True,
        ) from None
    return roots[0]


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
            raise LaunchError(f"'{path}' is larger than {MAX_FILE_BYTES} bytes, so it is no launch file: name another.")
        return path.read_bytes()
    except FileNotFoundError:
        raise LaunchError(f"There is no launch file '{path}': check the path.") from None
    except IsADirectoryError:
        raise LaunchError(f"'{path}' is a folder: name a launch file in it.") from None
    except OSError as error:
        raise LaunchError(f"The launch file '{path}' cannot be read ({error.strerror}): check it.") from None
