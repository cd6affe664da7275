"""Video frames with what the controller sees and does drawn on them."""

import cv2
import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.rig import Frame, Observation
from microtwin.vision.overlay import BLUE, GREEN, RED, WHITE, YELLOW, Video, draw

SHAPE, UM_PER_PX, CENTRE_UM = (240, 320), 0.5, (100.0, 50.0)
NODES_UM = np.array([(60.0, 30.0), (80.0, 60.0), (120.0, 60.0)])


class Pushing:
    """A controller that is half way."""

    done, mode, goal_index = False, "push", 1
    width_um: float | None = 10.0

    def act(self, observation):
        raise NotImplementedError


def frame(index: int = 0) -> Frame:
    return Frame(index, index / 24, np.full(SHAPE, 80, np.uint8), UM_PER_PX, CENTRE_UM)


def seen(index: int = 0, robot=(60.0, 20.0), cargo=(90.0, 40.0)) -> Observation:
    return Observation(index, index / 24, np.array(robot), np.array(cargo))


def at(picture: np.ndarray, place_um) -> np.ndarray:
    """The colour at a world position: x right, y up, the frame's middle at CENTRE_UM."""
    x, y = (np.array(place_um) - CENTRE_UM) / UM_PER_PX
    return picture[round((SHAPE[0] - 1) / 2 - y), round((SHAPE[1] - 1) / 2 + x)].astype(int)


def coloured(picture: np.ndarray, colour) -> np.ndarray:
    """Where a colour is, at least a third of it: lines are drawn between pixels."""
    change, wanted = picture.astype(float) - 80, np.array(colour) - 80.0
    length = np.linalg.norm(change, axis=2)
    return (change @ wanted > 0.98 * length * np.linalg.norm(wanted)) & (length > np.linalg.norm(wanted) / 3)


def test_bodies_and_goal_are_marked_where_they_are():
    picture = draw(frame(), seen(), Pushing(), NODES_UM, {})
    assert picture.shape == (*SHAPE, 3) and picture.dtype == np.uint8
    assert at(picture, (60.0, 20.0)) == pytest.approx(np.array(BLUE), abs=12)
    assert at(picture, (90.0, 40.0)) == pytest.approx(np.array(GREEN), abs=12)
    assert at(picture, (80.0, 60.0)) == pytest.approx(np.array(RED), abs=12)
    assert at(picture, (140.0, 20.0)) == pytest.approx(np.full(3, 80))


def test_the_path_is_red_between_its_nodes():
    red = coloured(draw(frame(), seen(), Pushing(), NODES_UM, {}), RED)
    row = round((SHAPE[0] - 1) / 2 - (60 - CENTRE_UM[1]) / UM_PER_PX)
    columns = np.flatnonzero(red[row - 1 : row + 2].any(axis=0))
    assert columns.max() == pytest.approx((SHAPE[1] - 1) / 2 + 20 / UM_PER_PX, abs=2)


def test_tracks_have_their_colours():
    bare = draw(frame(), seen(), Pushing(), NODES_UM, {})
    tracks = {GREEN: [np.array((90.0, 30.0)), np.array((140.0, 30.0))], BLUE: [np.array((60.0, 20.0))]}
    picture = draw(frame(), seen(), Pushing(), NODES_UM, tracks)
    assert coloured(picture, GREEN).sum() > coloured(bare, GREEN).sum() + 50
    assert coloured(picture, BLUE).sum() == coloured(bare, BLUE).sum()  # one position is no track


def test_the_corridor_is_drawn_while_pushing_as_wide_as_it_is():
    picture = draw(frame(), seen(robot=(80.0, 20.0)), Pushing(), NODES_UM, {})  # straight below its goal
    row = round((SHAPE[0] - 1) / 2 - (50 - CENTRE_UM[1]) / UM_PER_PX)
    columns = np.flatnonzero(coloured(picture, YELLOW)[row])
    assert np.ptp(columns) * UM_PER_PX == pytest.approx(10.0, abs=1.5)
    approaching = Pushing()
    approaching.mode = "approach"
    assert not coloured(draw(frame(), seen(), approaching, NODES_UM, {}), YELLOW).any()


def test_no_corridor_without_a_width_or_after_the_last_node():
    by_hand = Pushing()
    by_hand.width_um, by_hand.goal_index = None, 3
    assert not coloured(draw(frame(), seen(), by_hand, NODES_UM, {}), YELLOW).any()


def test_the_scale_bar_is_40_um_long():
    white = coloured(draw(frame(), seen(), Pushing(), NODES_UM, {}), WHITE)[-22:-18]
    columns = np.flatnonzero(white.any(axis=0))
    assert np.ptp(columns) * UM_PER_PX == pytest.approx(40.0, abs=2.5)


def test_the_frame_itself_is_left_as_it_was():
    taken = frame()
    draw(taken, seen(), Pushing(), NODES_UM, {})
    assert taken.image is not None and np.all(taken.image == 80)


def test_a_body_outside_the_frame_does_no_harm():
    assert draw(frame(), seen(robot=(1e4, -1e4)), Pushing(), NODES_UM, {}).shape == (*SHAPE, 3)


def test_a_video_holds_every_frame(tmp_path):
    path = tmp_path / "video.mp4"
    video = Video(path, NODES_UM, 24.0)
    for k in range(12):
        video(frame(k), seen(k, robot=(60.0 + k, 20.0)), Pushing())
    video(Frame(12, 0.5), seen(12), Pushing())  # a rig without a camera
    video.close()
    film = cv2.VideoCapture(str(path))
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(24.0)
    pictures = []
    while (got := film.read())[0]:
        pictures.append(got[1])
    film.release()
    assert len(pictures) == 12 and pictures[0].shape == (*SHAPE, 3)
    assert pictures[-1][..., 0].std() > 5


def test_a_new_trial_starts_new_tracks(tmp_path, monkeypatch):
    lengths = []
    monkeypatch.setattr(
        "microtwin.vision.overlay.draw",
        lambda frame, seen, controller, nodes, tracks: (
            lengths.append(len(tracks[BLUE])) or np.zeros((*SHAPE, 3), np.uint8)
        ),
    )
    video = Video(tmp_path / "video.mp4", NODES_UM, 24.0)
    for k in (0, 1, 2, 0, 1):
        video(frame(k), seen(k), Pushing())
    video.close()
    assert lengths == [1, 2, 3, 1, 2]


def test_a_video_that_cannot_be_written_is_refused(tmp_path):
    video = Video(tmp_path / "no such folder" / "video.mp4", NODES_UM, 24.0)
    with pytest.raises(InputError, match="cannot write a video"):
        video(frame(), seen(), Pushing())


def test_a_video_of_nothing_is_no_file(tmp_path):
    video = Video(tmp_path / "video.mp4", NODES_UM, 24.0)
    video.close()
    assert list(tmp_path.iterdir()) == []
