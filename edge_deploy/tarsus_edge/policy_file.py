# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy file: one ONNX model that carries its contract in its metadata, checked byte by byte.

The file is the model without metadata, followed by two metadata entries: ``tarsus_contract`` (JSON) and
``tarsus_contract_sha256`` (its digest). The contract holds the digest of the model, so every byte of the file is
covered. A third entry may sign it all (``signature.py``). The bytes are read as protobuf here and not by the onnx
package, which the robot does not have.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import PolicyFileError, printable
from tarsus_edge import wire
from tarsus_edge.model_checks import refuse_unsafe
from tarsus_edge.regular_file import read_regular_file
from tarsus_edge.signature import Signature, TrustedKeys, split_signature

CONTRACT_KEY = "tarsus_contract"
DIGEST_KEY = "tarsus_contract_sha256"
MAX_BYTES = 64 * 1024 * 1024
MAX_CONTRACT_BYTES = 4 * 1024 * 1024
"""of JSON; 48 golden vectors of 1,500 values are less than 2 MiB"""
ORT_MARK = b"ORTM"
"""in bytes 4 to 7: the mark of ONNX Runtime's own format, which is another file in the same bytes"""

# Field numbers of onnx.proto (ModelProto, StringStringEntryProto)
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


@dataclass(frozen=True)
class PolicyFile:
    """A policy file that was read and found intact."""

    data: bytes = field(repr=False)
    """the verified bytes of the whole file"""
    contract: PolicyContract = field(repr=False)
    sha256: str
    """digest of the whole file, in hexadecimal"""
    name: str = "policy"
    """the path as it was given, for messages"""
    signature: Signature | None = None
    """of the key that signed it, if one did"""


def read_policy(path: str | os.PathLike[str], trusted: TrustedKeys | None = None) -> PolicyFile:
    """Read and verify a policy file; where keys are trusted, one of them must have signed it.

    Raises:
        PolicyFileError: for a file that is missing, too large, damaged, altered, not trusted, or no policy, in one
            sentence.
    """
    name = os.fspath(path)
    return parse_policy(read_regular_file(name, "policy file", MAX_BYTES), name, trusted)


def parse_policy(data: bytes, name: str = "policy", trusted: TrustedKeys | None = None) -> PolicyFile:
    """Verify the bytes of a policy file, the signature before all else; ``name`` is for messages.

    Raises:
        PolicyFileError: as ``read_policy``.
    """
    if not data:
        raise PolicyFileError(f"The policy file '{name}' is empty: export the policy again.")
    if len(data) > MAX_BYTES:
        raise PolicyFileError(f"The file '{name}' is larger than {MAX_BYTES >> 20} MiB: this is no policy of Tarsus.")
    if data[4:8] == ORT_MARK:
        raise PolicyFileError(f"'{name}' is a file of ONNX Runtime's own format, not ONNX: export the policy again.")
    body, signature = split_signature(data, name)
    (trusted or TrustedKeys()).check(signature, name)
    try:
        model, entries = _split(body)
    except PolicyFileError as error:
        raise PolicyFileError(f"'{name}' is truncated or no ONNX model ({error}): export it again.") from None
    keys = [key for key, _ in entries]
    if CONTRACT_KEY not in keys:
        raise PolicyFileError(
            f"The policy file '{name}' is an ONNX model without a Tarsus contract: make one with 'tarsus export RUN'."
        )
    if keys != [CONTRACT_KEY, DIGEST_KEY] or body != model + _metadata(entries):
        raise PolicyFileError(f"The metadata of the policy file '{name}' was altered: export it again.")
    contract_bytes, digest = entries[0][1], entries[1][1]
    if _sha256(contract_bytes).encode() != digest:
        raise PolicyFileError(
            f"The contract in '{name}' was altered: its SHA-256 is {_sha256(contract_bytes)[:12]}..., "
            f"not {_printable(digest[:12])}...: export the policy again."
        )
    if len(contract_bytes) > MAX_CONTRACT_BYTES:
        raise PolicyFileError(
            f"The contract in '{name}' is larger than {MAX_CONTRACT_BYTES >> 20} MiB: this is no policy of Tarsus."
        )
    try:
        contract = PolicyContract.from_json(contract_bytes.decode("utf-8"))
    except UnicodeDecodeError:
        raise PolicyFileError(f"The contract in '{name}' is no UTF-8 text: export the policy again.") from None
    if contract.graph_sha256 != _sha256(model):
        raise PolicyFileError(
            f"The network in '{name}' was altered: its SHA-256 is {_sha256(model)[:12]}..., "
            f"not {contract.graph_sha256[:12]}... as its contract says: export the policy again."
        )
    try:
        refuse_unsafe(body)
    except PolicyFileError as error:
        raise PolicyFileError(f"The policy file '{name}' cannot be used ({error}): export it again.") from None
    return PolicyFile(data=data, contract=contract, sha256=_sha256(data), name=name, signature=signature)


def attach_contract(model: bytes, contract: PolicyContract) -> bytes:
    """Return the bytes of a policy file: the model, its metadata replaced by the contract with the model's digest.

    A signature does not survive it: the file is another one.

    Args:
        model: a serialised ONNX model, weights included.
        contract: its ``graph_sha256`` is set here.

    Raises:
        PolicyFileError: if the model is none, or the contract contradicts itself.
    """
    try:
        graph, _ = _split(model)
    except PolicyFileError as error:
        raise PolicyFileError(f"What was given is no ONNX model ({error}).") from None
    contract = replace(contract, graph_sha256=_sha256(graph))
    contract.check()
    text = contract.to_json().encode("utf-8")
    data = graph + _metadata([(CONTRACT_KEY, text), (DIGEST_KEY, _sha256(text).encode())])
    parse_policy(data, "the new policy")  # what is written must be readable
    return data


def _split(data: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Bytes of the model without its top-level metadata, and the metadata entries (key, value)."""
    kept: list[bytes] = []
    entries: list[tuple[str, bytes]] = []
    graphs = 0
    budget = wire.Budget()
    for item in wire.fields(data, budget=budget):
        if item.number == _MODEL_METADATA and item.wire_type == wire.BYTES:
            entries.append(_entry(data, item, budget))
        else:
            kept.append(data[item.start : item.end])
            graphs += item.number == _MODEL_GRAPH and item.wire_type == wire.BYTES
    if graphs != 1:
        raise PolicyFileError(f"it holds {graphs} graphs instead of 1")
    return b"".join(kept), entries


def _entry(data: bytes, item: wire.Field, budget: wire.Budget) -> tuple[str, bytes]:
    parts = {_ENTRY_KEY: b"", _ENTRY_VALUE: b""}
    for part in wire.fields(data, item.value_start, item.end, budget):
        if part.number in parts and part.wire_type == wire.BYTES:
            parts[part.number] = data[part.value_start : part.end]
    return parts[_ENTRY_KEY].decode("utf-8", errors="replace"), parts[_ENTRY_VALUE]


def _metadata(entries: list[tuple[str, bytes]]) -> bytes:
    """The one encoding of metadata entries that is accepted."""
    return b"".join(
        wire.bytes_field(
            _MODEL_METADATA, wire.bytes_field(_ENTRY_KEY, key.encode()) + wire.bytes_field(_ENTRY_VALUE, value)
        )
        for key, value in entries
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _printable(data: bytes) -> str:
    return printable(data.decode("ascii", errors="replace"))
