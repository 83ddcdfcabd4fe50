# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from tarsus_core.errors import OutputFileError


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file as a whole or not at all: an older file of that name stays until the new one is safely on disk.

    The new file gets the permissions that the process's umask gives.

    Raises:
        OutputFileError: if the folder is absent or not writable, or the disk is full; nothing is left behind.
    """
    target = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputFileError(
            f"'{target}' cannot be written ({error.strerror or error}): give a writable path with enough room."
        ) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):  # gone once it has become the target
                os.unlink(temporary)
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder; the file itself is complete
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
