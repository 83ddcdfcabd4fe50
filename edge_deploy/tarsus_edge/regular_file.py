# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a file that somebody else may have put there: no pipe that blocks, no device that never ends."""

from __future__ import annotations

import os
import stat

from tarsus_core.errors import PolicyFileError


def read_regular_file(path: str | os.PathLike[str], what: str, most_bytes: int) -> bytes:
    """Read a regular file, or one byte more than ``most_bytes`` of one that is larger.

    Args:
        path: of the file, or a link to it.
        what: what it should be, for messages, such as ``policy file``.
        most_bytes: that such a file may have.

    Raises:
        PolicyFileError: for a file that is missing, cannot be read, or is no regular file.
    """
    name = os.fspath(path)
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block
    except FileNotFoundError:
        raise PolicyFileError(f"There is no {what} '{name}': check the path.") from None
    except (OSError, ValueError) as error:
        raise PolicyFileError(f"The {what} '{name}' cannot be opened ({_reason(error)}): check the path.") from None
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise PolicyFileError(f"'{name}' is {kind}: give the path of a {what}.")
        with open(handle, "rb", closefd=False) as file:
            return file.read(most_bytes + 1)
    except OSError as error:
        raise PolicyFileError(f"The {what} '{name}' cannot be read ({_reason(error)}): check the disk.") from None
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
