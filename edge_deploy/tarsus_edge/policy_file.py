# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy file: one ONNX model that carries its contract in its metadata, checked byte by byte.

The file is the model without metadata, followed by two metadata entries: ``tarsus_contract`` (JSON) and
``tarsus_contract_sha256`` (its digest). The contract holds the digest of the model, so every byte of the file is
covered. The bytes are read as protobuf here and not by the onnx package, which the robot does not have.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field, replace

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import PolicyFileError
from tarsus_edge import wire

CONTRACT_KEY = "tarsus_contract"
DIGEST_KEY = "tarsus_contract_sha256"
MAX_BYTES = 64 * 1024 * 1024

# Field numbers of onnx.proto (ModelProto, GraphProto, FunctionProto, NodeProto, AttributeProto, TensorProto)
_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE_INITIALIZER = 1, 5, 15
_FUNCTION_NODE = 7
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2

_SPARSE = "it holds sparse weights, which a policy may not"


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


def read_policy(path: str | os.PathLike[str]) -> PolicyFile:
    """Read and verify a policy file.

    Raises:
        PolicyFileError: for a file that is missing, too large, damaged, altered, or no policy, in one sentence.
    """
    name = os.fspath(path)
    return parse_policy(_read(name), name)


def parse_policy(data: bytes, name: str = "policy") -> PolicyFile:
    """Verify the bytes of a policy file; ``name`` is for messages.

    Raises:
        PolicyFileError: as ``read_policy``.
    """
    if not data:
        raise PolicyFileError(f"The policy file '{name}' is empty: export the policy again.")
    if len(data) > MAX_BYTES:
        raise PolicyFileError(f"The file '{name}' is larger than {MAX_BYTES >> 20} MiB: this is no policy of Tarsus.")
    try:
        model, entries = _split(data)
    except PolicyFileError as error:
        raise PolicyFileError(f"'{name}' is truncated or no ONNX model ({error}): export it again.") from None
    keys = [key for key, _ in entries]
    if CONTRACT_KEY not in keys:
        raise PolicyFileError(
            f"The policy file '{name}' is an ONNX model without a Tarsus contract: make one with 'tarsus export RUN'."
        )
    if keys != [CONTRACT_KEY, DIGEST_KEY] or data != model + _metadata(entries):
        raise PolicyFileError(f"The metadata of the policy file '{name}' was altered: export it again.")
    contract_bytes, digest = entries[0][1], entries[1][1]
    if _sha256(contract_bytes).encode() != digest:
        raise PolicyFileError(
            f"The contract in '{name}' was altered: its SHA-256 is {_sha256(contract_bytes)[:12]}..., "
            f"not {_printable(digest[:12])}...: export the policy again."
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
    _refuse_unsafe(data, name)
    return PolicyFile(data=data, contract=contract, sha256=_sha256(data), name=name)


def attach_contract(model: bytes, contract: PolicyContract) -> bytes:
    """Return the bytes of a policy file: the model, its metadata replaced by the contract with the model's digest.

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


def _read(name: str) -> bytes:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block
    except FileNotFoundError:
        raise PolicyFileError(f"There is no policy file '{name}': check the path.") from None
    except (OSError, ValueError) as error:
        raise PolicyFileError(f"The file '{name}' cannot be opened ({_reason(error)}): check the path.") from None
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise PolicyFileError(f"'{name}' is a directory, not a policy file: give the path of the .onnx file.")
        if not stat.S_ISREG(mode):
            raise PolicyFileError(f"'{name}' is no regular file: give the path of the .onnx file.")
        with open(handle, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyFileError(f"The policy file '{name}' cannot be read ({_reason(error)}): check the disk.") from None
    finally:
        os.close(handle)


def _split(data: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Bytes of the model without its top-level metadata, and the metadata entries (key, value)."""
    kept: list[bytes] = []
    entries: list[tuple[str, bytes]] = []
    graphs = 0
    for item in wire.fields(data):
        if item.number == _MODEL_METADATA and item.wire_type == wire.BYTES:
            entries.append(_entry(data, item))
        else:
            kept.append(data[item.start : item.end])
            graphs += item.number == _MODEL_GRAPH and item.wire_type == wire.BYTES
    if graphs != 1:
        raise PolicyFileError(f"it holds {graphs} graphs instead of 1")
    return b"".join(kept), entries


def _entry(data: bytes, item: wire.Field) -> tuple[str, bytes]:
    parts = {_ENTRY_KEY: b"", _ENTRY_VALUE: b""}
    for part in wire.fields(data, item.value_start, item.end):
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


def _refuse_unsafe(data: bytes, name: str) -> None:
    """Refuse weights outside the file, and control flow: a policy is one file that always ends in the same time."""
    try:
        for item in wire.fields(data):
            if item.number == _MODEL_GRAPH:
                _check_graph(data, item)
            elif item.number == _MODEL_FUNCTIONS:
                _check_nodes(data, item, _FUNCTION_NODE)
    except PolicyFileError as error:
        raise PolicyFileError(f"The policy file '{name}' cannot be used ({error}): export it again.") from None


def _check_graph(data: bytes, graph: wire.Field) -> None:
    for item in wire.fields(data, graph.value_start, graph.end):
        if item.number == _GRAPH_INITIALIZER:
            _check_tensor(data, item)
        elif item.number == _GRAPH_SPARSE_INITIALIZER:
            raise PolicyFileError(_SPARSE)
    _check_nodes(data, graph, _GRAPH_NODE)


def _check_nodes(data: bytes, owner: wire.Field, number: int) -> None:
    for node in wire.fields(data, owner.value_start, owner.end):
        if node.number != number:
            continue
        for attribute in wire.fields(data, node.value_start, node.end):
            if attribute.number != _NODE_ATTRIBUTE:
                continue
            for item in wire.fields(data, attribute.value_start, attribute.end):
                if item.number in _ATTRIBUTE_GRAPHS:
                    raise PolicyFileError("it holds control flow (If, Loop or Scan), which a policy may not")
                if item.number in _ATTRIBUTE_SPARSE:
                    raise PolicyFileError(_SPARSE)
                if item.number in _ATTRIBUTE_TENSORS:
                    _check_tensor(data, item)


def _check_tensor(data: bytes, tensor: wire.Field) -> None:
    for item in wire.fields(data, tensor.value_start, tensor.end):
        if item.number == _TENSOR_EXTERNAL_DATA or (item.number == _TENSOR_DATA_LOCATION and item.value != 0):
            raise PolicyFileError("its weights lie in another file, but a policy is one file")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _printable(data: bytes) -> str:
    return data.decode("ascii", errors="replace")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
