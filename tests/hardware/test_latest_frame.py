"""The latest-frame policy: what is handed out, how it is numbered and timed, and what counts as a fault."""

import queue
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.rig import RigError
from microtwin_hardware.cameras import LatestFrames
from microtwin_hardware.cameras.grey import to_grey
from microtwin_hardware.cameras.numbering import Numbering
from microtwin_hardware.cameras.source import Grab
from microtwin_hardware.config import CameraConfig

RATE_HZ = 20.0
SHAPE = (24, 32)
PATIENCE_S = 120.0  # for a thread, on whatever machine


class Clock:
    """The host's clock, turned by hand."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Script:
    """A driver that delivers what the test feeds it, one grab at a time, each taken over before ``feed`` returns."""

    frame_rate_hz: float | None = None

    def __init__(self, first: Grab | None = None):
        self.notes = ["Gamma: refused"]
        self.opened = self.closed = 0
        self._first = first
        self._waiting: queue.Queue = queue.Queue()
        self._taken = False

    def open(self) -> None:
        self.opened += 1
        if self._first is not None:
            self._waiting.put(self._first)

    def grab(self, timeout_s: float) -> Grab:
        self._deal_with_last()
        try:
            thing = self._waiting.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        self._taken = True
        if isinstance(thing, Exception):
            raise thing
        return thing

    def feed(self, *things: Grab | Exception) -> None:
        for thing in things:
            self._waiting.put(thing)
            self._waiting.join()

    def close(self) -> None:
        self.closed += 1
        self._deal_with_last()

    def _deal_with_last(self) -> None:
        """Whoever asks for the next, or closes, has dealt with the last."""
        if self._taken:
            self._taken = False
            self._waiting.task_done()

    def describe(self) -> str:
        return "scripted camera"

    @staticmethod
    def available() -> list[str]:
        return []


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, SHAPE, dtype=np.uint8)


def camera(first: Grab | None = None, clock=None, **settings):
    config = CameraConfig(frame_rate_hz=RATE_HZ, **settings)
    source = Script(first if first is not None else Grab(picture(0), index=7))
    return LatestFrames(source, config, clock=clock or Clock()), source


def test_a_slow_reader_gets_the_newest_and_the_rest_counts_as_dropped():
    frames, source = camera()
    with frames:
        assert frames.read(PATIENCE_S).index == 0
        source.feed(*(Grab(picture(k), index=7 + k) for k in range(1, 5)))
        frame = frames.read(PATIENCE_S)
        assert frame.index == 4
        np.testing.assert_array_equal(frame.image, picture(4))
        assert (frames.dropped, frames.lost) == (3, 0)


def test_a_frame_is_handed_out_once():
    frames, _ = camera()
    with frames:
        frames.read(PATIENCE_S)
        with pytest.raises(RigError, match=r"no frame from scripted camera for 0.05 s: check cable"):
            frames.read(0.05)


def test_a_reader_that_waits_gets_the_next_frame():
    frames, source = camera()
    with frames:
        frames.read(PATIENCE_S)
        feeder = threading.Timer(0.1, source.feed, [Grab(picture(1), index=8)])
        feeder.start()
        assert frames.read(PATIENCE_S).index == 1
        feeder.join()


def test_a_gap_of_the_devices_counter_is_lost_frames():
    frames, source = camera()
    with frames:
        frames.read(PATIENCE_S)
        source.feed(Grab(picture(1), index=12))
        assert frames.read(PATIENCE_S).index == 5
        assert (frames.dropped, frames.lost) == (4, 4)


def test_nothing_is_dropped_before_somebody_reads():
    frames, source = camera()
    with frames:
        source.feed(*(Grab(picture(k), index=7 + k) for k in range(1, 9)))
        assert frames.read(PATIENCE_S).index == 8
        assert frames.dropped == 0


def test_time_is_the_devices_and_begins_when_the_camera_was_opened():
    clock = Clock()
    frames, source = camera(Grab(picture(0), time_s=5000.0, index=0), clock)
    with frames:
        first = frames.read(PATIENCE_S)
        clock.now_s += 0.3  # late on its way
        source.feed(Grab(picture(1), time_s=5000.05, index=1))
        second = frames.read(PATIENCE_S)
        assert first.time_s == pytest.approx(0.0)
        assert second.time_s - first.time_s == pytest.approx(0.05)
        assert frames.age_s == pytest.approx(0.0)
        clock.now_s += 0.02
        assert frames.age_s == pytest.approx(0.02)


def test_time_is_the_hosts_where_the_device_has_no_clock():
    clock = Clock()
    frames, source = camera(Grab(picture(0)), clock)
    with frames:
        frames.read(PATIENCE_S)
        clock.now_s += 2.2 / RATE_HZ
        source.feed(Grab(picture(1)))
        assert frames.read(PATIENCE_S).time_s == pytest.approx(2.2 / RATE_HZ)
        clock.now_s += 1 / RATE_HZ
        source.feed(Grab(picture(2)))
        assert frames.read(PATIENCE_S).index == 3 and frames.lost == 1  # one never came


@pytest.mark.parametrize("image", [picture(3), np.zeros(SHAPE, np.uint8)])
def test_the_same_picture_for_too_long_is_a_fault_until_it_changes(image):
    clock = Clock()
    frames, source = camera(Grab(image, index=0), clock, freeze_s=0.25)
    with frames:
        for k in range(1, 4):
            clock.now_s += 0.0625
            source.feed(Grab(image.copy(), index=k))
            frames.read(PATIENCE_S)
        clock.now_s += 0.0625
        source.feed(Grab(image.copy(), index=4))
        hint = "every pixel is 0, check lamp" if not image.any() else "restart the camera"
        for _ in range(2):
            with pytest.raises(RigError, match=f"scripted camera repeats the same picture for 0.25 s: {hint}"):
                frames.read(PATIENCE_S)
        source.feed(Grab(picture(4), index=5))
        assert frames.read(PATIENCE_S).index == 5


def test_one_pixel_that_differs_is_no_freeze():
    clock = Clock()
    frames, source = camera(Grab(picture(0), index=0), clock, freeze_s=0.2)
    with frames:
        for k in range(1, 20):
            clock.now_s += 0.05
            image = picture(0)
            image[17, 5] = k
            source.feed(Grab(image, index=k))
            assert frames.read(PATIENCE_S).index == k


def test_freeze_detection_can_be_off():
    clock = Clock()
    frames, source = camera(clock=clock, freeze_s=0.0)
    with frames:
        for k in range(1, 10):
            clock.now_s += 1.0
            source.feed(Grab(picture(0), index=7 + k))
            assert frames.read(PATIENCE_S).index == k


def test_a_camera_that_is_gone_says_so_after_its_last_frame_and_ends_its_thread():
    before = set(threading.enumerate())
    frames, source = camera()
    with frames:
        frames.read(PATIENCE_S)
        source.feed(Grab(picture(1), index=8), OSError("device\nremoved."))
        assert frames.read(PATIENCE_S).index == 1
        for _ in range(2):
            with pytest.raises(RigError, match=r"^scripted camera is gone \(device removed\): check cable and power"):
                frames.read(PATIENCE_S)
        assert source.closed == 1
    assert set(threading.enumerate()) <= before


def test_leaving_closes_the_driver_once_and_it_opens_again():
    frames, source = camera()
    for opened in (1, 2):
        with frames:
            assert frames.read(PATIENCE_S).index == 0
        assert (source.opened, source.closed) == (opened, opened)
    with pytest.raises(RigError, match="scripted camera is not open"):
        frames.read(0.1)
    frames.close()


def test_another_resolution_is_refused_at_opening():
    frames, source = camera(shape=(20, 30))
    with pytest.raises(InputError) as refusal, frames:
        pass
    assert "24 × 32" in str(refusal.value) and "20 × 30" in str(refusal.value)
    assert "camera.shape = [24, 32]" in str(refusal.value)
    assert source.closed == 1


def test_a_change_of_resolution_ends_the_run():
    frames, source = camera(shape=SHAPE)
    with frames:
        frames.read(PATIENCE_S)
        source.feed(Grab(np.zeros((12, 16), np.uint8), index=8))
        with pytest.raises(RigError, match=r"now gives 12 × 16 pixels instead of 24 × 32"):
            frames.read(PATIENCE_S)


def test_a_driver_that_cannot_open_is_bad_input_in_one_line_and_closed():
    frames, source = camera()
    source.open = lambda: (_ for _ in ()).throw(RuntimeError("resource\nbusy"))
    with pytest.raises(
        InputError, match=r"^scripted camera cannot be opened \(resource busy\): check .* no other program"
    ):
        frames.__enter__()
    assert source.closed == 1


def test_a_camera_without_a_first_frame_is_bad_input(monkeypatch):
    monkeypatch.setattr("microtwin_hardware.cameras.latest.START_S", 0.1)
    source = Script()
    with pytest.raises(InputError, match=r"is open but gave no frame for 0.1 s: check its trigger mode"):
        LatestFrames(source, CameraConfig(timeout_s=0.1)).__enter__()
    assert source.closed == 1


def test_it_cannot_be_opened_twice_at_a_time():
    frames, source = camera()
    with frames:
        with pytest.raises(InputError, match="close it first"):
            frames.__enter__()
        source.feed(Grab(picture(1), index=8))
        assert frames.read(PATIENCE_S).index == 1  # and goes on


def test_the_cameras_own_rate_and_refusals_are_told():
    frames, source = camera()
    assert frames.frame_rate_hz == RATE_HZ
    source.frame_rate_hz = 19.5
    with frames:
        assert frames.frame_rate_hz == 19.5
        assert frames.notes == ["Gamma: refused"]


@pytest.fixture(autouse=True)
def patience(monkeypatch, request):
    """A thread that gets no time on a busy machine is no camera without a frame, and none that hangs."""
    if "without_a_first_frame" not in request.node.name:
        monkeypatch.setattr("microtwin_hardware.cameras.latest.START_S", PATIENCE_S)
    monkeypatch.setattr("microtwin_hardware.cameras.latest.END_S", PATIENCE_S)


@pytest.mark.parametrize(
    ("flip", "place"),
    [("none", (3, 5)), ("horizontal", (3, 26)), ("vertical", (20, 5)), ("both", (20, 26))],
)
def test_flips(flip, place):
    image = np.zeros(SHAPE, np.uint8)
    image[3, 5] = 200
    frames, _ = camera(Grab(image), flip=flip)
    with frames:
        frame = frames.read(PATIENCE_S)
    assert frame.image is not None and frame.image.flags.c_contiguous and frame.image.dtype == np.uint8
    assert [tuple(where) for where in np.argwhere(frame.image)] == [place]


@pytest.mark.parametrize(("bits", "full"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
def test_full_scale_stays_full_scale_and_half_stays_half(bits, full):
    deep = np.array([[0, (full + 1) // 2, full]], np.uint16)
    np.testing.assert_array_equal(to_grey(deep, bits), [[0, 128, 255]])


@pytest.mark.parametrize("bits", range(8, 17))
def test_the_highest_eight_bits_are_kept_and_what_is_above_full_scale_does_not_wrap(bits):
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(to_grey(every, bits), np.minimum(every >> (bits - 8), 255))


def test_colour_becomes_luma_and_grey_in_colour_stays_exact():
    primaries = np.eye(3, dtype=np.uint8)[None] * 255  # blue, green, red
    np.testing.assert_allclose(to_grey(primaries)[0], 255 * np.array([0.114, 0.587, 0.299]), atol=0.6)
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for channels in (1, 3):
        np.testing.assert_array_equal(to_grey(np.repeat(grey[:, :, None], channels, axis=2)), grey)


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)])
def test_pixels_of_another_kind_are_refused(image):
    with pytest.raises(InputError, match="the camera's image"):
        to_grey(image)


@given(
    steps=st.lists(st.integers(1, 5), min_size=1, max_size=60),
    jitter=st.floats(0.0, 0.35),
    rate_error=st.floats(-0.01, 0.01),
    seed=st.integers(0, 1000),
)
def test_lost_frames_are_counted_from_time_stamps_through_jitter_and_a_rate_that_is_not_quite_right(
    steps, jitter, rate_error, seed
):
    true_index = np.concatenate([[0], np.cumsum(steps)])
    moments = true_index * (1 + rate_error) / RATE_HZ
    late = np.random.default_rng(seed).uniform(0, jitter, len(moments)) / RATE_HZ
    clocked, arriving = Numbering(RATE_HZ, 0.0), Numbering(RATE_HZ, 0.0)
    assert [clocked.stamp(None, moment, moment)[0] for moment in moments + late] == true_index.tolist()
    # where only arrivals are known a gap is told with the frame after it
    assert [arriving.stamp(None, None, moment)[0] for moment in moments + late] == [0, *(true_index[:-1] + 1)]


@given(begin=st.floats(1.0, 40.0), held_up=st.floats(0.0, 6.0))
def test_frames_that_wait_while_the_host_is_held_up_are_not_lost(begin, held_up):
    arrivals = np.arange(50.0)
    arrivals[(arrivals >= begin) & (arrivals < begin + held_up)] = begin + held_up
    numbering = Numbering(RATE_HZ, 0.0)
    assert [numbering.stamp(None, None, arrival / RATE_HZ)[0] for arrival in arrivals] == list(range(50))


@given(slower=st.floats(-0.1, 0.1), jitter=st.floats(0.0, 0.1), seed=st.integers(0, 1000))
def test_a_camera_somewhat_off_its_rate_loses_nothing_by_that(slower, jitter, seed):
    late = np.random.default_rng(seed).uniform(0, jitter, 300)
    moments = (np.arange(300) * (1 + slower) + late) / RATE_HZ
    numbering = Numbering(RATE_HZ, 0.0)
    assert [numbering.stamp(None, None, moment)[0] for moment in moments] == list(range(300))


def test_a_camera_at_half_its_rate_loses_every_second_frame():
    numbering = Numbering(RATE_HZ, 0.0)
    found = [numbering.stamp(None, 2 * k / RATE_HZ, 2 * k / RATE_HZ)[0] for k in range(100)]
    assert found == list(range(0, 200, 2))


@pytest.mark.parametrize("late", [0.5, 1.0])
def test_arrivals_that_are_all_over_the_place_make_no_frames(late):
    arrivals = np.arange(500) + np.random.default_rng(2).uniform(0, late, 500)
    numbering = Numbering(RATE_HZ, 0.0)
    found = [numbering.stamp(None, None, arrival / RATE_HZ)[0] for arrival in np.maximum.accumulate(arrivals)]
    assert found[-1] <= 499 + 8


def test_a_counter_that_wraps_goes_by_the_clock():
    numbering = Numbering(RATE_HZ, 0.0)
    counters = [65533, 65534, 65535, 1, 2, 5]
    moments = np.array([0, 1, 2, 3, 4, 7]) / RATE_HZ
    found = [numbering.stamp(c, t, t)[0] for c, t in zip(counters, moments.tolist(), strict=True)]
    assert found == [0, 1, 2, 3, 4, 7]


def test_a_wrap_with_frames_lost_over_it():
    numbering = Numbering(RATE_HZ, 0.0)
    found = [numbering.stamp(c, k / RATE_HZ, k / RATE_HZ)[0] for c, k in ((65534, 0), (65535, 1), (4, 5), (5, 6))]
    assert found == [0, 1, 5, 6]


def test_a_clock_that_begins_again_does_not_turn_time_back():
    numbering = Numbering(RATE_HZ, 10.0)
    stamps = [numbering.stamp(None, d, h) for d, h in ((50.0, 10.0), (50.05, 10.05), (0.0, 10.1), (0.05, 10.15))]
    np.testing.assert_allclose([time_s for _, time_s in stamps], [0.0, 0.05, 0.1, 0.15], atol=1e-12)
    assert [index for index, _ in stamps] == [0, 1, 2, 3]


def test_a_camera_faster_than_it_is_set_has_no_numbers_left_out():
    numbering = Numbering(RATE_HZ, 0.0)
    found = [numbering.stamp(None, None, k / (1.5 * RATE_HZ))[0] for k in range(50)]
    assert found == list(range(50))
