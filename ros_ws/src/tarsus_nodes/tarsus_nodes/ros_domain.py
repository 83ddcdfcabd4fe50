# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS domain for one simulation: two of them on one domain would drive each other's robots."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from tarsus_core.errors import ConfigError
from tarsus_nodes.transport import use_udp

VARIABLE = "ROS_DOMAIN_ID"
FIRST, LAST = 1, 40
"""domains tried when none is given: domain 0 is everyone's default and that of a robot's own bus, the tests of this
project use 50 to 101, and above 101 a domain's ports reach into those that Linux hands out by itself"""
HIGHEST = 232
"""the highest domain that DDS has ports for"""
LISTEN_S = 1.5
"""steady time in which a simulation that runs on a domain shows itself; discovery on one machine takes 0.1 to 0.5 s"""
TOPIC = "joint_command"


@contextlib.contextmanager
def claimed_domain(environment: Mapping[str, str]) -> Iterator[int]:
    """Hold a domain for one simulation while the block runs: that of ``ROS_DOMAIN_ID``, or the first free one.

    The claim is a lock on a file, which ends with the process however that ends. Who takes no such lock (another user,
    ``ros2 launch``) is heard on the domain itself.

    Raises:
        ConfigError: if the domain given is no domain or taken, or none is free.
    """
    given = given_domain(environment)
    folder = _lock_folder(environment)
    for domain in range(FIRST, LAST + 1) if given is None else [given]:
        claim = _claim(folder, domain)
        if claim is None:
            continue
        with claim:
            if is_commanded(domain):
                continue
            yield domain
            return
    if given is not None:
        raise ConfigError(
            f"ROS domain {given} already has a simulation or a robot on it: end that one, or unset {VARIABLE} "
            "and a free domain is taken."
        )
    raise ConfigError(f"The ROS domains {FIRST} to {LAST} are all taken by simulations: end one, or set {VARIABLE}.")


def given_domain(environment: Mapping[str, str]) -> int | None:
    """Return the domain that ROS_DOMAIN_ID names; None if it is not set, or empty.

    The middleware does not look well at it: it takes -1 for some domain, and for 999 it names a port of UDP.

    Raises:
        ConfigError: if it names none.
    """
    text = environment.get(VARIABLE, "").strip()
    return parse_domain(text) if text else None


def parse_domain(text: str) -> int:
    """Return the domain that the value of ROS_DOMAIN_ID names.

    Raises:
        ConfigError: if it names none.
    """
    # the middleware reads ASCII alone, and Python no number of thousands of digits
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= HIGHEST):
        raise ConfigError(f"{VARIABLE} is '{text}': set it to a number from 0 to {HIGHEST}, or unset it.")
    return int(text)


def is_commanded(domain: int) -> bool:
    """Listen for a moment whether somebody publishes or takes joint commands on a domain."""
    use_udp(os.environ)
    context = Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = Node("domain_check", context=context, start_parameter_services=False)
        try:
            end = time.monotonic() + LISTEN_S
            while time.monotonic() < end:
                if node.count_publishers(TOPIC) or node.count_subscribers(TOPIC):
                    return True
                time.sleep(0.05)
        finally:
            node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    return False


def _lock_folder(environment: Mapping[str, str]) -> Path:
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK):
        folder = Path(runtime, "tarsus")
    else:
        folder = Path(tempfile.gettempdir(), f"tarsus-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise ConfigError(
            f"'{folder}' is no folder, and locks of simulations have to go there: remove it, or set XDG_RUNTIME_DIR."
        ) from None
    if folder.stat().st_uid != os.getuid():
        raise ConfigError(f"The folder '{folder}' belongs to another user: remove it, or set XDG_RUNTIME_DIR.")
    return folder


def _claim(folder: Path, domain: int) -> contextlib.AbstractContextManager[object] | None:
    """Lock the file of a domain; None if another process has it."""
    file = open(folder / f"domain-{domain}.lock", "w")  # noqa: SIM115 - the caller closes it, which ends the lock
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    return file
