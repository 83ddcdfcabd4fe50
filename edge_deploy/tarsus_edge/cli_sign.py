# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus keygen`` and ``tarsus sign``: who vouches for a policy file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tarsus_core.cli import run_typer
from tarsus_core.errors import PolicyFileError
from tarsus_core.files import write_atomically
from tarsus_edge.policy_file import read_policy
from tarsus_edge.signature import (
    fingerprint,
    is_locked,
    make_key_files,
    public_bytes,
    read_private_key,
    sign,
    split_signature,
)

keygen_app = typer.Typer(add_completion=False)
sign_app = typer.Typer(add_completion=False)


@keygen_app.command()
def keygen(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Writes NAME.key (secret) and NAME.pub.")],
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for a passphrase that locks NAME.key.")] = False,
) -> None:
    """Make an Ed25519 key pair to sign policies with.

    NAME.key stays with whoever signs. NAME.pub goes to the robots, which then refuse what nobody they trust has signed.
    """
    if name.name in ("", ".."):
        raise PolicyFileError(f"'{name}' names no file: give a name such as 'lab'.")
    private, public = (name.with_name(name.name + end) for end in (".key", ".pub"))
    secret = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True) if passphrase else ""
    print(f"Key {make_key_files(private, public, secret)}: {private} (keep it secret) and {public}.")
    print(f"Next: tarsus sign policy.onnx --key {private}; tarsus verify policy.onnx --trust {public}")


@sign_app.command(name="sign")
def sign_policy(
    policy: Annotated[Path, typer.Argument(metavar="POLICY.onnx", help="Policy file to sign.")],
    key: Annotated[Path, typer.Option(metavar="NAME.key", help="Private key, as 'tarsus keygen' makes it.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="File to write; by default the same one.")
    ] = None,
) -> None:
    """Sign a policy file: network, contract and joint map together. A former signature is replaced.

    A change of the file afterwards (a new scorecard, for instance) takes the signature away.
    """
    file = read_policy(policy)
    body, _ = split_signature(file.data, file.name)
    secret = typer.prompt(f"Passphrase of {key}", hide_input=True) if is_locked(key) else ""
    private = read_private_key(key, secret)
    target = output or policy
    if target.suffix != ".onnx":
        raise PolicyFileError(f"The output '{target}' must end with .onnx.")
    write_atomically(target, sign(body, private))
    print(f"{target} is signed by the key {fingerprint(public_bytes(private.public_key()))}.")


def keygen_main(argv: Sequence[str]) -> int:
    """Entry of the command table."""
    return run_typer(keygen_app, "tarsus keygen", argv)


def sign_main(argv: Sequence[str]) -> int:
    """Entry of the command table."""
    return run_typer(sign_app, "tarsus sign", argv)
