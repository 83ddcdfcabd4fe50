# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The protobuf wire format, as far as an ONNX file needs it: a strict walk over the fields of a message.

Format: https://protobuf.dev/programming-guides/encoding. A message is a row of (tag, value); the tag is a varint of
field number * 8 + wire type. Field numbers of ONNX: onnx/onnx.proto. Nothing is copied out but what is asked for.

Stricter than the format: readers differ in what they make of a number that is written longer than it must be (some cut
a tag to 32 bits, others do not), so a number has one encoding here, and no file means two things.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tarsus_core.errors import PolicyFileError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}
_LARGEST_TAG = (1 << 32) - 1
_LARGEST = (1 << 64) - 1


@dataclass
class Budget:
    """Fields that may still be read, of one file together: a field takes two bytes, and reading it a microsecond."""

    left: int = 200_000
    """a policy of a hundred layers has about 2,000"""

    def spend(self) -> None:
        """Count one field.

        Raises:
            PolicyFileError: for one too many.
        """
        self.left -= 1
        if self.left < 0:
            raise PolicyFileError("it has far more parts than a policy")


@dataclass(frozen=True)
class Field:
    """One field of a message, by its place in the file."""

    number: int
    wire_type: int
    start: int
    """where its tag begins"""
    value_start: int
    """where its value begins: for BYTES, after the length"""
    end: int
    """one past its last byte"""
    value: int
    """of a varint; 0 for other wire types"""


def fields(data: bytes, start: int = 0, end: int | None = None, budget: Budget | None = None) -> Iterator[Field]:
    """Walk the fields of the message in ``data[start:end]``; together they cover every byte of it.

    Raises:
        PolicyFileError: where the bytes stop being a message, or the budget is spent.
    """
    stop = len(data) if end is None else end
    budget = budget or Budget()
    place = start
    while place < stop:
        budget.spend()
        tag, value_start = _varint(data, place, stop)
        if tag > _LARGEST_TAG:
            raise PolicyFileError(f"byte {place} starts no field of a model")
        number, wire_type = tag >> 3, tag & 7
        value = 0
        if wire_type == VARINT:
            value, after = _varint(data, value_start, stop)
        elif wire_type == BYTES:
            length, value_start = _varint(data, value_start, stop)
            after = value_start + length
        elif wire_type in _SIZES:
            after = value_start + _SIZES[wire_type]
        else:
            raise PolicyFileError(f"byte {place} starts no field of a model")
        if number == 0 or after > stop:
            raise PolicyFileError(f"the field at byte {place} does not end within the file")
        yield Field(number, wire_type, place, value_start, after, value)
        place = after


def varints(data: bytes, item: Field, most: int) -> list[int]:
    """Numbers of a repeated integer field: one, or those that are packed in its bytes.

    Raises:
        PolicyFileError: where the bytes stop being numbers, or are more than ``most``.
    """
    if item.wire_type == VARINT:
        return [item.value]
    if item.wire_type != BYTES:
        raise PolicyFileError(f"the field at byte {item.start} holds no whole numbers")
    numbers: list[int] = []
    place = item.value_start
    while place < item.end:
        if len(numbers) == most:
            raise PolicyFileError(f"the field at byte {item.start} holds more than {most} numbers")
        number, place = _varint(data, place, item.end)
        numbers.append(number)
    return numbers


def bytes_field(number: int, value: bytes) -> bytes:
    """Encode one length-delimited field."""
    return encode_varint(number << 3 | BYTES) + encode_varint(len(value)) + value


def encode_varint(value: int) -> bytes:
    """Encode a non-negative integer in the fewest bytes."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(data: bytes, place: int, stop: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):  # 64 bits in at most ten bytes
        if place >= stop:
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > _LARGEST or (byte == 0 and shift > 0):
                raise PolicyFileError(f"the number that ends at byte {place} is not written as short as it can be")
            return value, place
    raise PolicyFileError(f"the number that ends at byte {place} is not complete")
