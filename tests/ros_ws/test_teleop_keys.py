# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What keys mean."""

import io

import pytest

from tarsus_core.cli import main
from tarsus_nodes.teleop_keys import DIRECTIONS, KEY_MAP, REQUESTS, Limits, Request, Velocity, press

LIMITS = Limits(linear_step=0.1, angular_step=0.2, linear_max=0.25, angular_max=0.5)


def after(keys: str, start: Velocity | None = None) -> tuple[Velocity, Request | None]:
    velocity, request = start or Velocity(), None
    for key in keys:
        velocity, request = press(key, velocity, LIMITS)
    return velocity, request


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("w", (0.1, 0.0, 0.0)),
        ("s", (-0.1, 0.0, 0.0)),
        ("a", (0.0, 0.1, 0.0)),
        ("d", (0.0, -0.1, 0.0)),
        ("q", (0.0, 0.0, 0.2)),
        ("e", (0.0, 0.0, -0.2)),
        ("wwws", (0.15, 0.0, 0.0)),
        ("WaQ", (0.1, 0.1, 0.2)),
        ("wwwwwwww", (0.25, 0.0, 0.0)),
        ("eeeeeeee", (0.0, 0.0, -0.5)),
        ("ww ", (0.0, 0.0, 0.0)),
        ("wzp?\x00é", (0.1, 0.0, 0.0)),
    ],
)
def test_velocity_after_keys(keys: str, expected: tuple[float, float, float]) -> None:
    velocity, request = after(keys)
    assert (velocity.vx, velocity.vy, velocity.wz) == pytest.approx(expected)
    assert request is None


def test_stepping_back_comes_to_exactly_zero() -> None:
    velocity, _ = after("wwwsssqqqeeeaaaddd", None)
    limits = Limits(0.1, 0.1, 1.0, 1.0)
    forth = Velocity()
    for key in "wwwwwww" + "sssssss":
        forth, _ = press(key, forth, limits)
    assert forth == Velocity(0.0, 0.0, 0.0)
    assert abs(velocity.vx) <= LIMITS.linear_max


@pytest.mark.parametrize(
    ("key", "request_", "stops"),
    [
        ("1", Request.ARM, True),
        ("2", Request.STAND, True),
        ("3", Request.WALK, False),
        ("4", Request.RELEASE, False),
        ("x", Request.DAMP, True),
        ("X", Request.DAMP, True),
        ("r", Request.RESET, True),
    ],
)
def test_requests(key: str, request_: Request, stops: bool) -> None:
    velocity, request = after(key, Velocity(0.2, 0.1, 0.4))
    assert request is request_
    assert (velocity == Velocity()) is stops


def test_every_key_is_on_the_map() -> None:
    words = KEY_MAP.split()
    for key in (*DIRECTIONS, *REQUESTS):
        assert key in words


def test_teleop_refuses_what_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["teleop"]) == 2
    assert "Standard input is no terminal" in capsys.readouterr().err
    assert main(["teleop", "--help"]) == 0
    assert "cmd_vel" in capsys.readouterr().out
    assert main(["teleop", "fast"]) == 2
    assert "'fast' is no argument of teleop" in capsys.readouterr().err
