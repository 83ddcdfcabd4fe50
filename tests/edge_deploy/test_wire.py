# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The protobuf walk, on bytes that are worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarsus_core.errors import PolicyFileError
from tarsus_edge import wire


def test_each_wire_type_by_hand() -> None:
    # field 1 varint 300 (0xAC 0x02), field 2 bytes "ab", field 3 fixed32, field 4 fixed64, field 20 varint 0
    data = bytes([0x08, 0xAC, 0x02, 0x12, 0x02]) + b"ab" + b"\x1d\1\2\3\4" + b"\x21" + bytes(8) + b"\xa0\x01\x00"
    found = list(wire.fields(data))
    assert [(f.number, f.wire_type, f.start, f.value_start, f.end, f.value) for f in found] == [
        (1, wire.VARINT, 0, 1, 3, 300),
        (2, wire.BYTES, 3, 5, 7, 0),
        (3, wire.FIXED32, 7, 8, 12, 0),
        (4, wire.FIXED64, 12, 13, 21, 0),
        (20, wire.VARINT, 21, 23, 24, 0),
    ]
    assert data[found[1].value_start : found[1].end] == b"ab"


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",  # a tag that goes on
        b"\x08",  # a varint without a value
        b"\x12\x05ab",  # five bytes announced, two there
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a length of 2^64 - 1
        b"\x08" + b"\xff" * 10 + b"\x01",  # a varint of eleven bytes
        b"\x0b\x0c",  # a group, which ONNX does not use
        b"\x0e",  # wire type 6
        b"\x00\x00",  # field number 0
        b"\x1d\1\2\3",  # a short fixed32
        b"\x21" + bytes(7),  # a short fixed64
        b"\x88\x00\x01",  # field 1 by two bytes where one does
        b"\xa2\x80\x80\x80\x10\x00",  # field 2^29 + 4, which a reader of 32 bits takes for field 4
        b"\x08\x81\x00",  # 1 by two bytes
        b"\x08" + b"\xff" * 9 + b"\x02",  # 2^64 and more
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(PolicyFileError):
        list(wire.fields(data))


def test_a_nested_message_must_not_reach_beyond_its_end() -> None:
    data = b"\x0a\x02\x12\x05" + b"abcde"  # the outer field ends after two bytes, the inner one wants seven
    outer = next(wire.fields(data))
    with pytest.raises(PolicyFileError):
        list(wire.fields(data, outer.value_start, outer.end))


@given(st.integers(0, 2**63), st.binary(max_size=300), st.integers(1, 2**28))
def test_what_is_encoded_reads_back(value: int, payload: bytes, number: int) -> None:
    data = wire.encode_varint(number << 3) + wire.encode_varint(value) + wire.bytes_field(number, payload)
    first, second = wire.fields(data)
    assert (first.number, first.value) == (number, value)
    assert data[second.value_start : second.end] == payload and second.end == len(data)


@given(st.binary(max_size=60))
def test_fields_cover_every_byte_or_the_walk_fails(data: bytes) -> None:
    try:
        found = list(wire.fields(data))
    except PolicyFileError:
        return
    assert b"".join(data[f.start : f.end] for f in found) == data


def test_the_largest_number_has_64_bits() -> None:
    (item,) = wire.fields(b"\x08" + b"\xff" * 9 + b"\x01")  # as -1 is written
    assert item.value == 2**64 - 1


def test_a_file_of_too_many_fields_is_refused() -> None:
    inner = b"\x08\x01" * 3
    data = wire.bytes_field(1, inner)
    for left, refused in ((4, False), (3, True)):  # one outside, three inside
        budget = wire.Budget(left)
        outer = next(wire.fields(data, budget=budget))
        walk = wire.fields(data, outer.value_start, outer.end, budget)
        if refused:
            with pytest.raises(PolicyFileError, match="more parts"):
                list(walk)
        else:
            assert len(list(walk)) == 3


def test_numbers_of_a_repeated_field() -> None:
    def numbers(data: bytes, most: int = 3) -> list[int]:
        return wire.varints(data, next(wire.fields(data)), most)

    assert numbers(b"\x08\x05") == [5]
    assert numbers(b"\x0a\x03\x05\xac\x02") == [5, 300]
    assert numbers(b"\x0a\x00") == []
    with pytest.raises(PolicyFileError, match="more than 3"):
        numbers(b"\x0a\x04\1\2\3\4")
    with pytest.raises(PolicyFileError, match="no whole numbers"):
        numbers(b"\x09" + bytes(8))  # a fixed64, which would read as no number at all
