# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Who vouches for a policy file: an Ed25519 signature (RFC 8032) over all its bytes, checked before they are parsed.

A signed file ends with one more metadata entry of fixed length, ``tarsus_signature``: the public key (32 bytes) and the
signature (64 bytes) in base64. What is signed is all that comes before it, with the tag ``CONTEXT`` in front, so that a
signature made for something else is none. Contract, joint map and network lie in that part: they are signed together.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tarsus_core.errors import PolicyFileError
from tarsus_edge import wire
from tarsus_edge.regular_file import read_regular_file

SIGNATURE_KEY = "tarsus_signature"
CONTEXT = b"tarsus policy signature 1\n"
MAX_KEY_BYTES = 16 * 1024
"""of a key file in PEM; one of an Ed25519 key has some 200"""

_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_TEXT_BYTES = 128  # base64 of both
_METADATA, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2  # ModelProto, StringStringEntryProto


def _entry(value: bytes) -> bytes:
    pair = wire.bytes_field(_ENTRY_KEY, SIGNATURE_KEY.encode()) + wire.bytes_field(_ENTRY_VALUE, value)
    return wire.bytes_field(_METADATA, pair)


_HEAD = _entry(b"." * _TEXT_BYTES)[:-_TEXT_BYTES]


@dataclass(frozen=True)
class Signature:
    """A signature that was checked: ``key`` did sign the file. Whether the key is trusted is another question."""

    key: bytes
    """raw public key, 32 bytes"""

    @property
    def fingerprint(self) -> str:
        """What people compare: the start of the key's SHA-256."""
        return fingerprint(self.key)


class TrustedKeys:
    """Public keys whose signatures count. None at all means that unsigned files are taken."""

    def __init__(self, keys: dict[bytes, str] | None = None, place: str = "") -> None:
        """Trust keys.

        Args:
            keys: raw public key -> name of the file it comes from.
            place: where they come from, for messages; empty asks for no signature.
        """
        self.keys = keys or {}
        self.place = place

    @staticmethod
    def load(place: str | os.PathLike[str]) -> TrustedKeys:
        """Read a public key file, or all files ``*.pub`` of a folder.

        Raises:
            PolicyFileError: for a place that is empty, missing, or holds no key, and for a file that is none.
        """
        name = os.fspath(place)
        if not name:
            raise PolicyFileError("The name of the public key is empty: give the .pub file of 'tarsus keygen'.")
        path = Path(name)
        files = sorted(path.glob("*.pub")) if os.path.isdir(path) else [path]
        if not files:
            raise PolicyFileError(f"The folder '{name}' holds no public key (*.pub): copy one there, or name another.")
        return TrustedKeys({public_bytes(read_public_key(file)): str(file) for file in files}, name)

    def check(self, signature: Signature | None, name: str) -> None:
        """Refuse a file that none of the keys has signed, if there are any.

        Raises:
            PolicyFileError: in one sentence.
        """
        if not self.place and not self.keys:
            return
        if signature is None:
            raise PolicyFileError(
                f"The policy file '{name}' is not signed, and '{self.place}' asks for a signature: "
                "sign it with 'tarsus sign'."
            )
        if signature.key not in self.keys:
            raise PolicyFileError(
                f"The policy file '{name}' is signed by the key {signature.fingerprint}, which '{self.place}' "
                "does not trust: add its public key there, if you do."
            )


def split_signature(data: bytes, name: str) -> tuple[bytes, Signature | None]:
    """Return what is signed, and the signature if the file has one.

    Raises:
        PolicyFileError: for a signature that does not fit the file.
    """
    body, entry = data[: -len(_HEAD) - _TEXT_BYTES], data[-len(_HEAD) - _TEXT_BYTES :]
    if not entry.startswith(_HEAD):
        return data, None
    try:
        both = base64.b64decode(entry[len(_HEAD) :], validate=True)
        key, signature = both[:_KEY_BYTES], both[_KEY_BYTES:]
        Ed25519PublicKey.from_public_bytes(key).verify(signature, CONTEXT + body)
    except (binascii.Error, ValueError, InvalidSignature):
        raise PolicyFileError(
            f"The signature of '{name}' does not fit the file: it was altered after it was signed; get it again."
        ) from None
    return body, Signature(key)


def sign(body: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the bytes of a policy file that has no signature with one at its end."""
    both = public_bytes(key.public_key()) + key.sign(CONTEXT + body)
    return body + _entry(base64.b64encode(both))


def public_bytes(key: Ed25519PublicKey) -> bytes:
    """Raw public key, 32 bytes."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def fingerprint(key: bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a raw public key."""
    return hashlib.sha256(key).hexdigest()[:16]


def make_key_files(private: Path, public: Path, passphrase: str = "") -> str:
    """Make a key pair, write it in PEM (RFC 8410), the private one readable by its owner alone; return its fingerprint.

    Raises:
        PolicyFileError: where a file exists already, since a key that is overwritten is lost, or cannot be written,
            and for a passphrase that cannot be used; neither file is left then.
    """
    key = Ed25519PrivateKey.generate()
    made: list[Path] = []
    try:
        lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        for path, mode, pem in (
            (private, 0o600, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)),
            (public, 0o644, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
        ):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            made.append(path)
            with open(handle, "wb") as file:
                file.write(pem)
    except BaseException as error:  # half a pair is of no use
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise PolicyFileError(
                f"'{error.filename}' exists already, and a key that is overwritten is lost: take another name."
            ) from None
        if isinstance(error, OSError):
            raise PolicyFileError(
                f"The key '{error.filename or private}' cannot be written ({error.strerror}): check the path."
            ) from None
        if isinstance(error, ValueError):  # of cryptography
            raise PolicyFileError(f"The passphrase cannot be used ({error}): take a short plain text.") from None
        raise
    return fingerprint(public_bytes(key.public_key()))


def is_locked(path: Path) -> bool:
    """Whether a private key file needs a passphrase.

    Raises:
        PolicyFileError: if it cannot be read.
    """
    return b"ENCRYPTED PRIVATE KEY" in read_regular_file(path, "private key", MAX_KEY_BYTES)


def read_private_key(path: Path, passphrase: str = "") -> Ed25519PrivateKey:
    """Read the private key of a pair made by ``make_key_files``.

    Raises:
        PolicyFileError: if there is none, it is of another kind, or the passphrase is wrong.
    """
    data = read_regular_file(path, "private key", MAX_KEY_BYTES)
    try:
        key = load_pem_private_key(data, passphrase.encode() or None)
    except TypeError:
        need = "needs its passphrase" if not passphrase else "has no passphrase"
        raise PolicyFileError(f"The private key '{path}' {need}.") from None
    except (ValueError, UnsupportedAlgorithm):
        wrong = "or the passphrase is wrong " if passphrase else ""
        raise PolicyFileError(
            f"'{path}' is no private key {wrong}(PEM): give the .key file of 'tarsus keygen'."
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise PolicyFileError(f"The key '{path}' is not of the kind Ed25519: make one with 'tarsus keygen'.")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key file.

    Raises:
        PolicyFileError: if there is none or it is of another kind.
    """
    try:
        key = load_pem_public_key(read_regular_file(path, "public key", MAX_KEY_BYTES))
    except (ValueError, UnsupportedAlgorithm):
        raise PolicyFileError(f"'{path}' is no public key (PEM): give the .pub file of 'tarsus keygen'.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise PolicyFileError(f"The key '{path}' is not of the kind Ed25519: make one with 'tarsus keygen'.")
    return key
