"""What a data set will hold: complete, in order, and each sequence's chances its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.otmr.plan import Plan
from microtwin.otmr.pose import POSES, Pose


def test_the_pose_task_has_the_176_poses():
    items = Plan("pose", images_per_sequence=5, sequences=1).items()
    assert len({(item.robot, item.pose) for item in items}) == len(items) == 176
    assert {item.kind for item in items} == {"pose"}
    assert sum(item.images for item in items) == 880


def test_the_depth_task_has_all_eighteen_robots_as_drawn():
    items = Plan("depth", sequences=3).items()
    assert [item.robot for item in items] == sorted([*range(1, 19)] * 3)
    assert {item.pose for item in items} == {Pose()} and {item.kind for item in items} == {"depth"}


def test_both_has_poses_of_the_robots_that_have_them_and_depths_of_the_others():
    items = Plan("both").items()
    assert {item.robot for item in items if item.kind == "pose"} == set(POSES)
    assert {item.robot for item in items if item.kind == "depth"} == set(range(7, 19))


def test_trajectories_alternate():
    items = Plan("pose", robots=(3,), sequences=4).items()
    assert [item.trajectory for item in items[:4]] == ["continuous", "stepwise"] * 2


@given(
    st.sampled_from(["pose", "depth", "both"]),
    st.sets(st.integers(1, 6), min_size=1),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_files_and_records_are_never_shared_and_sort_in_the_plans_order(task, robots, images, sequences):
    items = Plan(task, tuple(robots), images, sequences).items()
    assert len({item.key for item in items}) == len(items)
    names = [item.image_name(frame) for item in items for frame in range(item.images)]
    assert len(set(names)) == len(names)  # a name says robot and video, whatever its folder
    folders: dict = {}
    for item in items:
        folders.setdefault(item.folder, []).extend(item.image_name(frame) for frame in range(item.images))
    assert all(found == sorted(found) for found in folders.values())


@given(st.integers(0, 2**64), st.integers(1, 18), st.integers(1, 5))
def test_chances_do_not_depend_on_what_else_is_asked_for(seed, robot, sequences):
    def numbers(plan):
        return {
            item.key: [stream.integers(2**60) for stream in item.streams(plan.seed)]
            for item in plan.items()
            if item.robot == robot and item.index == 0
        }

    alone = numbers(Plan("depth", (robot,), 3, 1, seed))
    assert alone == numbers(Plan("depth", (), 3, sequences, seed))
    other = numbers(Plan("depth", (robot,), 3, 1, seed + 1))
    assert all(set(alone[key]).isdisjoint(other[key]) for key in alone)


def test_no_two_sequences_share_their_chances():
    plan = Plan("both", sequences=2)
    drawn = [stream.integers(2**60) for item in plan.items() for stream in item.streams(0)]
    assert len(set(drawn)) == len(drawn) == 3 * len(plan.items())


def test_the_order_in_which_robots_are_named_does_not_matter():
    assert Plan("pose", (3, 1)) == Plan("pose", (1, 3))
    assert Plan("pose").config() == Plan("pose", (6, 5, 4, 3, 2, 1)).config()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"robots": (19,)}, "robot 19 is unknown: give numbers from 1 to 18"),
        ({"robots": (0,)}, "robot 0 is unknown"),
        ({"robots": (3, 17)}, "robot 17 has no poses: give robots from 1, 2, 3, 4, 5, 6"),
        ({"robots": (3, 3)}, "robot 3 is given twice"),
        ({"images_per_sequence": 0}, "images per sequence is 0: give 1 to"),
        ({"images_per_sequence": 10**6}, "images per sequence is 1000000"),
        ({"sequences": 0}, "sequences is 0"),
        ({"sequences": -1}, "sequences is -1"),
        ({"sequences": 10**5}, "sequences is 100000"),
        ({"seed": -1}, "seed is -1: give 0 or more"),
        ({"task": "colour"}, "task is 'colour'"),
    ],
)
def test_bad_settings_are_named(settings, said):
    with pytest.raises(InputError, match=said):
        Plan(**settings)


def test_the_largest_plan_still_has_names():
    with pytest.raises(InputError, match="give 1 to 2499, for file names to have room"):
        Plan("pose", (3,), 99_999, 2500)
    last = Plan("pose", (3,), 99_999, 2499).items()[-1]
    assert last.image_name(99_998) == "video_robot_3_stable_bot_l6s3_99959_99998.jpg"
