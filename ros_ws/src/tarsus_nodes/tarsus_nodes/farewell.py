# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a process, at the latest: whatever hangs by then, and whoever holds Python's interpreter lock.

Fast DDS 2.14, as it is built for Python wheels, hangs for good in about one of a thousand ends of a process, while it
takes its participant down: if a message of discovery is under way just then, ``DomainParticipant::set_listener`` waits
for it until ``time_point::max()``, which overflows where the C library has no ``pthread_cond_clockwait`` to build
against; ``pthread_cond_timedwait`` refuses that time without letting go of the mutex that the message needs, and is
asked again and again. No Python runs any more then, so that it is a timer of the C library that ends the process.
"""

from __future__ import annotations

import ctypes
import time

_SIGEV_THREAD = 2  # <bits/sigevent-consts.h>


class _SigEvent(ctypes.Structure):
    """``struct sigevent`` of Linux, of 64 bytes, with the members of ``SIGEV_THREAD``."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("padding", ctypes.c_char * 32),
    )


class _TimerSpec(ctypes.Structure):
    """``struct itimerspec`` of 64-bit Linux."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


def exit_after(delay_s: float, exit_code: int) -> bool:
    """End this process with an exit code once some time has passed, as ``os._exit`` does.

    Args:
        delay_s: time from now in s, of the steady clock.
        exit_code: 0 to 255.

    Returns:
        whether the system has such a timer (Linux); else nothing happens.
    """
    try:
        libc = ctypes.CDLL(None)
        timers = libc if hasattr(libc, "timer_create") else ctypes.CDLL("librt.so.1")  # before glibc 2.34
        function = ctypes.cast(libc._exit, ctypes.c_void_p)
        event = _SigEvent(value=exit_code, notify=_SIGEV_THREAD, function=function)
        timer = ctypes.c_void_p()
        seconds, nanoseconds = divmod(round(delay_s * 1e9), 10**9)
        spec = _TimerSpec(value_s=seconds, value_ns=nanoseconds)
        return (
            timers.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) == 0
            and timers.timer_settime(timer, 0, ctypes.byref(spec), None) == 0
        )
    except (OSError, AttributeError):  # no such library, or no such function
        return False
