# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Signatures: every altered byte is seen, only trusted keys count, and the check comes before any parsing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from helpers.policies import make_policy_bytes

from tarsus_core.errors import PolicyFileError
from tarsus_core.robot_model import load_robot
from tarsus_edge import policy_file
from tarsus_edge.policy_file import attach_contract, parse_policy
from tarsus_edge.signature import (
    TrustedKeys,
    fingerprint,
    make_key_files,
    public_bytes,
    read_private_key,
    read_public_key,
    sign,
    split_signature,
)

DATA = make_policy_bytes(load_robot("g1"), hidden=2)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
SIGNED = sign(DATA, KEY)
RAW = public_bytes(KEY.public_key())
TRUST = TrustedKeys({RAW: "lab.pub"}, "keys")


def refusal(data: bytes, trusted: TrustedKeys | None = TRUST) -> str:
    with pytest.raises(PolicyFileError) as caught:
        parse_policy(data, "walk.onnx", trusted)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    return text


def test_public_key_and_fingerprint_of_the_first_test_vector_of_rfc_8032() -> None:
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    raw = public_bytes(Ed25519PrivateKey.from_private_bytes(secret).public_key())
    assert raw.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert len(fingerprint(raw)) == 16


def test_a_signed_file_is_the_same_policy() -> None:
    file = parse_policy(SIGNED, trusted=TRUST)
    assert file.contract == parse_policy(DATA).contract and file.data == SIGNED
    assert file.signature is not None and file.signature.key == RAW
    assert file.signature.fingerprint == fingerprint(RAW)
    assert parse_policy(SIGNED).signature == file.signature  # without trust, a signature that fits is shown
    assert parse_policy(DATA).signature is None
    assert split_signature(SIGNED, "x")[0] == DATA


def test_who_is_not_trusted_is_refused() -> None:
    assert "is not signed, and 'keys' asks for a signature" in refusal(DATA)
    why = refusal(sign(DATA, OTHER))
    assert f"signed by the key {fingerprint(public_bytes(OTHER.public_key()))}, which 'keys' does not trust" in why
    assert "does not trust" in refusal(SIGNED, TrustedKeys({}, "keys"))


@pytest.mark.parametrize("bit", range(8))
def test_every_altered_byte_of_a_signed_file_is_refused(bit: int) -> None:
    for place in range(bit, len(SIGNED), 8):
        altered = bytearray(SIGNED)
        altered[place] ^= 1 << bit
        refusal(bytes(altered))
        refusal(bytes(altered), None)


def test_a_signature_fits_only_its_own_file() -> None:
    entry = SIGNED[len(DATA) :]
    other = make_policy_bytes(load_robot("g1"), hidden=3)
    assert "does not fit" in refusal(other + entry)
    assert "does not fit" in refusal(SIGNED + entry)
    assert "metadata" in refusal(sign(SIGNED, KEY))  # one signature, not two
    assert "not signed" in refusal(SIGNED[:-1])
    assert "not signed" in refusal(entry + DATA)


def test_a_signature_without_the_context_is_none() -> None:
    import base64

    bare = RAW + KEY.sign(DATA)
    forged = SIGNED[:-128] + base64.b64encode(bare)
    assert "does not fit" in refusal(forged)


def test_a_new_contract_takes_the_signature_away() -> None:
    again = attach_contract(SIGNED, parse_policy(SIGNED).contract)
    assert again == DATA


def test_nothing_is_parsed_before_the_signature_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_file, "_split", lambda _: pytest.fail("parsed"))
    refusal(DATA)
    refusal(sign(DATA, OTHER))
    refusal(SIGNED[:-1] + b"A")


def test_key_files_come_back_and_are_never_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "lab.key", tmp_path / "lab.pub"
    shown = make_key_files(private, public)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert fingerprint(public_bytes(read_public_key(public))) == shown
    assert fingerprint(public_bytes(read_private_key(private).public_key())) == shown
    before = private.read_bytes()
    for pair in ((private, tmp_path / "new.pub"), (tmp_path / "new.key", public)):
        with pytest.raises(PolicyFileError, match="exists already"):
            make_key_files(*pair)
    assert private.read_bytes() == before and not (tmp_path / "new.key").exists()


def test_a_passphrase_locks_the_private_key(tmp_path: Path) -> None:
    private, public = tmp_path / "lab.key", tmp_path / "lab.pub"
    make_key_files(private, public, "secret")
    assert public_bytes(read_private_key(private, "secret").public_key()) == public_bytes(read_public_key(public))
    with pytest.raises(PolicyFileError, match="needs its passphrase"):
        read_private_key(private)
    with pytest.raises(PolicyFileError, match="passphrase is wrong"):
        read_private_key(private, "wrong")


def test_folders_of_keys(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="is empty"):
        TrustedKeys.load("")
    with pytest.raises(PolicyFileError, match="holds no public key"):
        TrustedKeys.load(tmp_path)
    with pytest.raises(PolicyFileError, match="There is no public key"):
        TrustedKeys.load(tmp_path / "absent.pub")
    for name, key in (("a", KEY), ("b", OTHER)):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(pem)
    trusted = TrustedKeys.load(tmp_path)
    assert set(trusted.keys) == {RAW, public_bytes(OTHER.public_key())}
    assert parse_policy(SIGNED, trusted=trusted).signature is not None
    assert TrustedKeys.load(tmp_path / "a.pub").keys == {RAW: str(tmp_path / "a.pub")}
    (tmp_path / "c.pub").write_text("no key")
    with pytest.raises(PolicyFileError, match=r"c\.pub' is no public key"):
        TrustedKeys.load(tmp_path)


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    key = X25519PrivateKey.generate()
    private, public = tmp_path / "x.key", tmp_path / "x.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(PolicyFileError, match="not of the kind Ed25519"):
        read_private_key(private)
    with pytest.raises(PolicyFileError, match="not of the kind Ed25519"):
        read_public_key(public)
    with pytest.raises(PolicyFileError, match="no private key"):
        read_private_key(public)


def test_key_files_that_are_none_cost_no_time_and_no_memory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pub")
    (tmp_path / "endless.pub").symlink_to("/dev/zero")
    (tmp_path / "large.pub").write_bytes(b"x" * 1_000_000)
    for name, why in (
        ("pipe.pub", "no regular file"),
        ("endless.pub", "no regular file"),
        ("large.pub", "no public key"),
        ("x" * 300, "cannot be opened"),
    ):
        with pytest.raises(PolicyFileError, match=why):
            TrustedKeys.load(tmp_path / name)
    with pytest.raises(PolicyFileError, match="no regular file"):
        read_private_key(tmp_path / "pipe.pub")
    with pytest.raises(PolicyFileError):
        TrustedKeys.load(tmp_path)


def test_a_passphrase_that_no_key_takes_leaves_nothing(tmp_path: Path) -> None:
    for passphrase in ("x" * 2000, "\udcff"):
        with pytest.raises(PolicyFileError, match="passphrase cannot be used"):
            make_key_files(tmp_path / "a.key", tmp_path / "a.pub", passphrase)
    assert not list(tmp_path.iterdir())
