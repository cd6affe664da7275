import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.perception.prepare import normalised
from microtwin.perception.source import Augmentation, Stored, background

STILL = Augmentation(shift=0.0, contrast=0.0, blur=0.0, noise=0.0)


def hooks(count: int = 40, size: int = 64) -> np.ndarray:
    """(count, size, size) the same chiral picture: a flag on a pole, which no turn makes its mirror image."""
    image = np.full((size, size), 100, dtype=np.uint8)
    image[16:48, 30:34] = 40
    image[16:24, 34:46] = 180
    return np.repeat(image[None], count, axis=0)


def test_an_epoch_is_the_same_every_time_and_another_one_is_not(toy_examples):
    source = Stored(toy_examples(), augment=Augmentation(), seed=5)
    first, again, next_one, other = (
        list(source.batches(2, 16)),
        list(source.batches(2, 16)),
        list(source.batches(3, 16)),
        list(Stored(toy_examples(), augment=Augmentation(), seed=6).batches(2, 16)),
    )
    assert all(
        torch.equal(a[0], b[0]) and torch.equal(a[1].depth, b[1].depth) for a, b in zip(first, again, strict=True)
    )
    assert not torch.equal(first[0][0], next_one[0][0]) and not torch.equal(first[0][0], other[0][0])


@settings(max_examples=20)
@given(st.integers(1, 90), st.integers(0, 5))
def test_every_image_comes_once_with_its_own_labels(batch, epoch):
    count = 80
    images = np.repeat(np.arange(20, 20 + count, dtype=np.uint8)[:, None, None], 16, axis=1).repeat(16, axis=2)
    images[:, 8, 8] = 255  # or all would be the same once normalised
    angles = np.arange(count, dtype=np.int16)
    examples = _examples(images, angles)
    batches = list(Stored(examples, seed=1).batches(epoch, batch))
    sizes = [len(images) for images, _ in batches]
    assert max(sizes) <= batch and max(sizes) - min(sizes) <= 1
    pitch = torch.cat([labels.pitch_deg for _, labels in batches])
    assert sorted(pitch.tolist()) == list(range(count))
    spots = torch.cat([images[:, 0, 8, 8] for images, _ in batches])
    torch.testing.assert_close(spots, (3 * (255 / (pitch + 20.0) - 1)).clamp(max=6.0))
    assert torch.equal(torch.cat([labels.depth for _, labels in batches]), pitch / 2)


def test_without_shuffling_images_come_in_order_and_unchanged(toy_examples):
    examples = toy_examples()
    chosen = np.array([7, 3, 11])
    source = Stored(examples, chosen, shuffle=False)
    ((images, labels),) = source.batches(4, 8)
    assert len(source) == 3 and torch.equal(images, normalised(torch.as_tensor(examples.images[chosen])))
    assert labels.pitch_deg.tolist() == examples.pitch_deg[chosen].tolist()
    assert images.dtype == torch.float32 and images.shape == (3, 1, 32, 32)


def test_no_image_is_mirrored():
    images = hooks()
    found = Augmentation().moved(images, np.random.default_rng(0)).astype(float) - 100
    original = images[0].astype(float) - 100

    def alike(template: np.ndarray, image: np.ndarray) -> float:
        """The best correlation over turns and shifts."""
        import cv2

        best = 0.0
        for turn in range(0, 360, 5):
            turned = cv2.warpAffine(template, cv2.getRotationMatrix2D((31.5, 31.5), turn, 1.0), (64, 64))
            product = np.fft.ifft2(np.fft.fft2(image) * np.conj(np.fft.fft2(turned))).real.max()
            best = max(best, product / np.linalg.norm(image) / np.linalg.norm(turned))
        return best

    for image in found[:12]:
        assert alike(original, image) > 0.95 > alike(original[:, ::-1].copy(), image)


def test_images_turn_all_the_way_round_and_half_of_them_keep_every_grey_value():
    images = hooks(400)
    found = STILL.moved(images, np.random.default_rng(1))
    exact = np.array([set(np.unique(image)) <= {40, 100, 180} for image in found])
    assert 0.4 < exact.mean() < 0.6
    for image in found[exact][:20]:
        assert any(np.array_equal(image, np.rot90(images[0], k)) for k in range(4))
    rows, columns = np.nonzero(np.ones((64, 64)))
    directions = []
    for image in found.astype(float):  # towards the flag
        weight = np.clip(image - 120, 0, None).ravel()
        directions.append(np.arctan2(weight @ (rows - 31.5), weight @ (columns - 31.5)))
    eighths = np.histogram(directions, bins=8, range=(-np.pi, np.pi))[0]
    assert eighths.min() > 10


def test_shifts_stay_within_their_limit():
    images = np.full((200, 64, 64), 100, dtype=np.uint8)
    images[:, 30:34, 30:34] = 200
    found = Augmentation(shift=6 / 64).moved(images, np.random.default_rng(2)).astype(float) - 100
    rows, columns = np.mgrid[:64, :64]
    total = found.sum(axis=(1, 2))
    y, x = (found * rows).sum(axis=(1, 2)) / total - 31.5, (found * columns).sum(axis=(1, 2)) / total - 31.5
    assert max(abs(x).max(), abs(y).max()) < 6.2
    assert min(np.ptp(x), np.ptp(y)) > 11.0


def test_what_comes_in_from_outside_is_background():
    images = hooks(60)
    images[::2] += 30
    found = STILL.moved(images, np.random.default_rng(3))
    assert np.array_equal(background(images), np.where(np.arange(60) % 2, 100, 130))
    assert (abs(found[:, 0, 0].astype(float) - background(images)) <= 1).all()


def test_changes_of_grey_values_are_as_large_as_asked():
    images = normalised(torch.as_tensor(hooks(64)))
    rng = np.random.default_rng
    assert torch.equal(STILL.changed(images.clone(), rng(0)), images)
    contrast = dataclasses.replace(STILL, contrast=0.1).changed(images.clone(), rng(0))
    ratios = contrast[:, 0, 30, 32] / images[:, 0, 30, 32]
    assert 0.9 <= ratios.min() < 0.93 and 1.07 < ratios.max() <= 1.1
    assert not contrast[:, 0, 5, 5].any()  # the background stays
    noisy = dataclasses.replace(STILL, noise=0.05).changed(images.clone(), rng(0)) - images
    spread = noisy.std(dim=(1, 2, 3))
    assert spread.min() < 0.01 and 0.04 < spread.max() < 0.052
    blurred = dataclasses.replace(STILL, blur=0.5).changed(images.clone(), rng(0))
    untouched = (blurred == images).all(dim=(1, 2, 3))
    assert 16 < untouched.sum() < 48
    torch.testing.assert_close(blurred.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)))
    assert (blurred[~untouched].amax(dim=(1, 2, 3)) <= images.amax()).all()


def test_the_callers_random_numbers_are_left_alone(toy_examples):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    list(Stored(toy_examples(), augment=Augmentation()).batches(0, 8))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_batches_are_made_where_they_are_wanted(toy_examples):
    ((images, labels),) = Stored(toy_examples(), augment=Augmentation(), device="cuda").batches(0, 999)
    assert images.is_cuda and labels.depth.is_cuda


def _examples(images: np.ndarray, angles: np.ndarray):
    from microtwin.perception.examples import Examples

    count = len(images)
    return Examples(
        images, angles, angles, angles.astype(np.float32) / 2, "um", np.full(count, 3, np.int16),
        np.arange(count, dtype=np.int32), [f"{k}.png" for k in range(count)],
    )  # fmt: skip
