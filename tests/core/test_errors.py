# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A message is one line that a terminal can show, whatever it quotes."""

from __future__ import annotations

from tarsus_core.errors import TarsusError


def test_a_message_is_one_plain_line() -> None:
    assert str(TarsusError("'\x1b[31mred\n\udcff\tname' is absent.")) == "'?[31mred ?\tname' is absent."


def test_the_middle_of_an_endless_message_is_left_out() -> None:
    message = str(TarsusError("begin" + "x" * 3_000_000 + "end."))
    assert len(message) == 4005 and message.startswith("beginx") and " ... " in message and message.endswith("xend.")
