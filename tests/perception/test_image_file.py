"""Pictures from files: grey and whole, or one line that says what is wrong with which."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.perception.image_file import is_cut_off, read_image

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
JPEG, PNG = (cv2.imencode(kind, IMAGE)[1].tobytes() for kind in (".jpg", ".png"))
PROGRESSIVE = cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()


def test_grey_values_come_as_they_are_and_colours_as_grey(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), IMAGE)
    blue = np.zeros((8, 8, 3), np.uint8)
    blue[..., 0] = 255
    cv2.imwrite(str(tmp_path / "b.png"), blue)
    assert read_image(str(tmp_path / "b.png")).tolist() == np.full((8, 8), 29).tolist()  # 0.114 of the light


@pytest.mark.parametrize(
    "whole", [JPEG, PROGRESSIVE, PNG, JPEG + bytes(200)], ids=["jpeg", "progressive", "png", "padded"]
)
def test_a_whole_file_is_not_cut_off(whole, tmp_path):
    assert not is_cut_off(whole)
    (tmp_path / "a.jpg").write_bytes(whole)  # whatever its name says
    assert read_image(tmp_path / "a.jpg").shape == (40, 30)


@given(st.sampled_from([JPEG, PROGRESSIVE, PNG]), st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path_factory, whole, share):
    left = whole[: int(share * len(whole))]
    if len(left) > 8:  # enough to tell the format by
        assert is_cut_off(left)
    path = tmp_path_factory.mktemp("cut") / "crop.jpg"
    path.write_bytes(left)
    with pytest.raises(InputError, match=r"crop\.jpg is (cut off after|no image)"):
        read_image(path)


def test_the_end_of_a_preview_in_the_header_is_not_the_picture_s():
    preview = b"\xff\xe1" + struct.pack(">H", len(JPEG) + 2) + JPEG
    nested = JPEG[:2] + preview + JPEG[2:]
    assert not is_cut_off(nested)
    assert is_cut_off(nested[: -len(JPEG) // 2])


@pytest.mark.parametrize(("content", "what"), [(b"", "cut off after 0 bytes"), (b"GIF? no", "no image")])
def test_what_is_no_picture_is_named(content, what, tmp_path):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.png is {what}"):
        read_image(tmp_path / "x.png")


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*gone\.png \(No such file"):
        read_image(tmp_path / "gone.png")
