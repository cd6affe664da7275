import http.client
import math
import socket
import time

import cv2
import numpy as np
import pytest

from emulated_rig.streams import MjpegServer, Y4mServer
from microtwin.errors import InputError

SHAPE = (96, 132)
PATIENCE_S = 120.0  # for what must come: as long as no machine takes, however busy
OPEN = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 120_000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 120_000]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", "-8")


def pictures(count, shape=SHAPE):
    """Camera noise on a slope; the first pixel is the picture's number."""
    rng = np.random.default_rng(7)
    slope = np.linspace(60, 190, shape[1])
    made = [np.clip(rng.normal(slope, 2.0, shape), 0, 255).astype(np.uint8) for _ in range(count)]
    for number, picture in enumerate(made):
        picture[0, 0] = number
    return made


def capture(url):
    opened = cv2.VideoCapture(url, cv2.CAP_FFMPEG, OPEN)
    assert opened.isOpened()
    opened.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    return opened


def read(opened):
    ok, image = opened.read()
    assert ok
    return image


def frames(connection, shape):
    """Pictures out of a YUV4MPEG2 connection until it ends, by the format's definition."""
    stream = connection.makefile("rb")
    assert stream.readline() == f"YUV4MPEG2 W{shape[1]} H{shape[0]} F24:1 Ip A1:1 Cmono\n".encode()
    while stream.readline() == b"FRAME\n":
        yield np.frombuffer(stream.read(shape[0] * shape[1]), np.uint8).reshape(shape)


@pytest.mark.parametrize("shape", [SHAPE, (97, 131), (480, 640)])
def test_opencv_reads_the_lossless_stream_bit_for_bit(shape):
    made = pictures(5, shape)
    with Y4mServer(shape) as server:
        server.publish(made[0])
        opened = capture(server.url)
        assert opened.get(cv2.CAP_PROP_FPS) == 24.0
        np.testing.assert_array_equal(read(opened), made[0])
        for picture in made[1:]:
            server.publish(picture)
            np.testing.assert_array_equal(read(opened), picture)


def test_the_stream_is_the_callers_picture_as_it_was_when_published():
    picture = pictures(1)[0]
    with Y4mServer(SHAPE) as server:
        server.publish(picture)
        kept = picture.copy()
        picture[:] = 0
        np.testing.assert_array_equal(read(capture(server.url)), kept)


def test_opencv_reads_motion_jpeg_to_within_the_cameras_noise():
    made = pictures(3)
    with MjpegServer(SHAPE) as server:
        server.publish(made[0])
        opened = capture(server.url)
        for number, picture in enumerate(made):
            if number:
                server.publish(picture)
            error = read(opened).astype(float) - picture
            assert np.sqrt(np.mean(error**2)) < 2.0
            assert abs(error.mean()) < 0.1


def test_a_browser_gets_a_multipart_answer_with_the_jpegs_length():
    with MjpegServer(SHAPE) as server:
        server.publish(pictures(1)[0])
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.getheader("Content-Type") == "multipart/x-mixed-replace; boundary=frame"
        assert answer.readline() == b"--frame\r\n"
        assert answer.readline() == b"Content-Type: image/jpeg\r\n"
        length = int(answer.readline().removeprefix(b"Content-Length: "))
        assert answer.readline() == b"\r\n"
        jpeg = answer.read(length)
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture is not None and picture.shape == SHAPE
        connection.close()


def test_who_comes_late_sees_the_newest_picture_at_once():
    made = pictures(4)
    with Y4mServer(SHAPE) as server:
        for picture in made:
            server.publish(picture)
        np.testing.assert_array_equal(read(capture(server.url)), made[-1])


def test_a_slow_client_loses_frames_and_ends_with_the_newest_while_a_quick_one_gets_all():
    shape, count = (600, 800), 60  # 29 MB, of which the kernel keeps some
    made = np.repeat(np.arange(count, dtype=np.uint8), math.prod(shape)).reshape(count, *shape)
    server = Y4mServer(shape)
    with (
        socket.create_connection(("127.0.0.1", server.port)) as slow,
        socket.create_connection(("127.0.0.1", server.port)) as quick,
    ):
        slow.settimeout(PATIENCE_S)
        quick.settimeout(PATIENCE_S)
        stream = frames(quick, shape)
        for number, picture in enumerate(made):
            server.publish(picture)
            assert next(stream)[0, 0] == number
        waiting = frames(slow, shape)
        got = []
        while not got or got[-1] < count - 1:
            got.append(int(next(waiting)[0, 0]))
        assert got == sorted(set(got))
        assert len(got) < count / 2
        server.close()
        assert next(waiting, None) is None


def test_a_client_that_hangs_up_does_not_disturb_another():
    made = pictures(4)
    with Y4mServer(SHAPE) as server:
        server.publish(made[0])
        opened = capture(server.url)
        read(opened)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", server.port)):
                pass
        for picture in made[1:]:
            server.publish(picture)
            np.testing.assert_array_equal(read(opened), picture)


@pytest.mark.parametrize("kind", [Y4mServer, MjpegServer])
def test_a_stuck_camera_goes_on_sending_one_picture_until_it_is_well(kind):
    made = pictures(6)
    with kind(SHAPE) as server:
        server.publish(made[0])
        opened = capture(server.url)
        first = read(opened)
        server.freeze()
        for picture in made[1:4]:
            server.publish(picture)
            np.testing.assert_array_equal(read(opened), first)
        server.freeze(False)
        server.publish(made[4])
        assert np.abs(read(opened).astype(int) - first).max() > 5


def test_a_camera_that_is_gone_ends_every_connection_and_takes_no_other():
    server = Y4mServer(SHAPE)
    server.publish(pictures(1)[0])
    opened = capture(server.url)
    read(opened)
    server.close()
    assert not opened.read()[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    server.publish(pictures(1)[0])  # and the rig behind it goes on


def test_a_picture_of_another_shape_is_refused():
    with Y4mServer(SHAPE) as server, pytest.raises(InputError, match=r"\(96, 131\).*\(96, 132\)"):
        server.publish(np.zeros((96, 131), np.uint8))


class TestGigE:
    """The camera of Aravis, received with the driver for real ones."""

    @pytest.fixture
    def gige(self):
        from emulated_rig.gige import GigeCamera, aravis

        try:
            aravis()
        except InputError as error:
            pytest.skip(str(error))
        try:
            camera = GigeCamera(SHAPE)
        except InputError as error:
            pytest.skip(str(error))
        with camera:
            yield camera

    @pytest.fixture
    def receiver(self, gige):
        from microtwin_hardware.cameras.aravis import AravisSource
        from microtwin_hardware.config import CameraConfig

        gige.publish(np.zeros(SHAPE, np.uint8), 0, 0.0)
        source = AravisSource(CameraConfig(driver="aravis", source=gige.url, shape=SHAPE))
        source.open()
        yield source
        source.close()

    def after(self, receiver, number):
        """The frame with this device number; older ones are passed over."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                grab = receiver.grab(0.5)
            except TimeoutError:
                continue
            if grab.index == number:
                return grab
        raise AssertionError(f"no frame {number}")

    def test_frames_arrive_bit_for_bit_with_their_number_and_the_rigs_time(self, gige, receiver):
        self.after(receiver, 1)
        for number, picture in enumerate(pictures(8), start=1):
            gige.publish(picture, number, number / 24)
            grab = self.after(receiver, number + 1)
            np.testing.assert_array_equal(grab.image, picture)
            assert grab.time_s == pytest.approx(number / 24, abs=1e-9)

    def test_the_16_bit_frame_number_is_never_0(self, gige, receiver):
        picture = pictures(1)[0]
        for index, number in ((65533, 65534), (65534, 65535), (65535, 1), (65536, 2)):
            gige.publish(picture, index, index / 24)
            assert self.after(receiver, number).time_s == pytest.approx(index / 24, abs=1e-9)

    def test_a_stuck_camera_numbers_its_frames_on(self, gige, receiver):
        made = pictures(3)
        gige.publish(made[0], 1, 0.1)
        np.testing.assert_array_equal(self.after(receiver, 2).image, made[0])
        gige.freeze()
        for index in (2, 3):
            gige.publish(made[index - 1], index, 0.1 * index)
            np.testing.assert_array_equal(self.after(receiver, index + 1).image, made[0])

    def test_a_region_of_interest_is_cut_out(self, gige):
        from microtwin_hardware.cameras.aravis import AravisSource
        from microtwin_hardware.config import CameraConfig

        picture = pictures(1)[0]
        gige.publish(picture, 0, 0.0)
        source = AravisSource(CameraConfig(driver="aravis", source=gige.url, options={"roi": [20, 10, 64, 48]}))
        source.open()
        try:
            np.testing.assert_array_equal(self.after(source, 1).image, picture[10:58, 20:84])
        finally:
            source.close()

    def test_two_cameras_at_one_address_are_refused(self, gige):
        from emulated_rig.gige import GigeCamera

        with pytest.raises(InputError, match="there is one already"):
            GigeCamera(SHAPE)
