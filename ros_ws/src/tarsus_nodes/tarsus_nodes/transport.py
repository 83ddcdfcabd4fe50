# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The way that messages take: UDP alone, also between processes of one machine.

Fast DDS would use shared memory there, whose locks and places are everybody's: a process that is killed while it takes
a message leaves them held, and who sends to it next waits, for a second or for good, with all else that it had to send
(``recover_blocked_processing`` and ``empty_cv_mutex`` of Fast DDS 2.6 to 3.6; its issue 6484, rmw_fastrtps's 908). So
a recorder that somebody kills could silence a supervisor. Besides, a process that takes the place of a killed one takes
its port as well, and may be deaf to those who have found the old one, and what a killed one has left fills the memory.
To a socket one sends without anybody's leave, and it ends with its process.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

import rclpy

TRANSPORTS, UDP = "FASTDDS_BUILTIN_TRANSPORTS", "UDPv4"
BUFFER = "?sockets_size=4MB"
"""a picture comes as a burst of 64 kB datagrams, and by default a socket keeps 0.2 MB: half of them would be lost. The
system may grant less (``net.core.rmem_max``)."""
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"
RANGE, LOCAL, PROFILE_SAYS = "ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST", "SYSTEM_DEFAULT"
PEERS = "ROS_STATIC_PEERS"
ANOTHER_WAY = (PROFILES, "FASTDDS_DEFAULT_PROFILES_FILE", PEERS, "ROS_LOCALHOST_ONLY")
"""variables with which a user says how processes of one machine find others: no profile of ours can say that as well"""
LOCAL_UDP = str(Path(__file__).with_name("udp.xml"))


def use_udp(environment: MutableMapping[str, str]) -> None:
    """Let participants that this process makes from now on use UDP alone; a second call changes nothing.

    For ``LOCALHOST`` rmw_fastrtps adds shared memory whatever ``FASTDDS_BUILTIN_TRANSPORTS`` says: a profile takes its
    place there, with the same range. What the user has set otherwise stays, and so do other middlewares.

    Args:
        environment: of this process (``os.environ``), before ``rclpy.init``.
    """
    if not rclpy.get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
        return
    if environment.get(PROFILES) == LOCAL_UDP:  # of a call before, here or in a parent
        del environment[PROFILES]
        if environment.get(RANGE) == PROFILE_SAYS:
            environment[RANGE] = LOCAL
    if not environment.setdefault(TRANSPORTS, UDP + BUFFER).startswith(UDP):
        return
    if environment.get(RANGE) == LOCAL and not any(environment.get(name) for name in ANOTHER_WAY):
        environment.update({PROFILES: LOCAL_UDP, RANGE: PROFILE_SAYS})
