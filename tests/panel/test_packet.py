"""Packets: what goes in comes out, and nothing that a browser could not read goes in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.panel.packet import pack, unpack

WORDS = st.text(max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


@given(header=st.dictionaries(WORDS, VALUES, max_size=6), jpeg=st.binary(max_size=200))
def test_a_packet_carries_its_header_and_picture(header, jpeg):
    assert unpack(pack(header, jpeg)) == (header, jpeg)


def test_the_length_in_front_is_big_endian_and_counts_bytes_not_letters():
    packet = pack({"text": "µm"}, b"picture")
    length = int.from_bytes(packet[:4], "big")
    assert json.loads(packet[4 : 4 + length]) == {"text": "µm"}
    assert packet[4 + length :] == b"picture"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_browsers_cannot_read_is_refused(value):
    with pytest.raises(ValueError):
        pack({"error_um": value}, b"")
