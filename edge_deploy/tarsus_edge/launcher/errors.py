# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The launcher's own errors, and how they come to name a file and a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tarsus_core.errors import TarsusError, suggest


class LaunchError(TarsusError):
    """A launch file, launch argument, package or executable that cannot be used.

    Args:
        message: one plain sentence.
        located: True when the message already names the file and line it speaks of.
    """

    def __init__(self, message: str, *, located: bool = False) -> None:
        super().__init__(message)
        self.located = located


@contextmanager
def located(file: Path, line: int) -> Iterator[None]:
    """Put ``<file name>, line <line>:`` in front of a LaunchError from the block that has no place yet."""
    try:
        yield
    except LaunchError as error:
        if error.located:
            raise
        raise LaunchError(f"{file.name}, line {line}: {error}", located=True) from None


def nearest(value: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` when a known name is near ``value``, else nothing."""
    hint = suggest(value, known)
    return hint if "did you mean" in hint else ""
