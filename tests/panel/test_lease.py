"""One holder at a time, and only a living one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.panel.server.lease import Lease


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(clock) -> Lease:
    return Lease(gone_s=2.0, clock=clock)


def test_the_first_takes_it_and_the_second_cannot(lease):
    assert lease.holder is None
    assert lease.take("a") and lease.holder == "a"
    assert not lease.take("b") and lease.holder == "a"


def test_it_passes_on_once_the_holder_was_silent_for_two_seconds(lease, clock):
    lease.take("a")
    clock.now += 2.0
    assert not lease.take("b")
    clock.now += 0.01
    assert lease.holder is None
    assert lease.take("b") and lease.holder == "b"


def test_signs_of_life_keep_it(lease, clock):
    lease.take("a")
    for _ in range(10):
        clock.now += 1.9
        assert lease.renew("a")
    assert lease.holder == "a"


def test_a_late_sign_of_life_brings_nothing_back(lease, clock):
    lease.take("a")
    clock.now += 3.0
    assert not lease.renew("a")
    assert lease.holder is None


def test_others_can_neither_renew_nor_release(lease, clock):
    lease.take("a")
    assert not lease.renew("b") and not lease.release("b")
    assert lease.holder == "a"
    clock.now += 1.5
    lease.renew("b")
    clock.now += 1.0
    assert lease.holder is None


def test_given_back_it_is_free_at_once(lease):
    lease.take("a")
    assert lease.release("a")
    assert lease.take("b")


def test_taking_again_is_a_sign_of_life(lease, clock):
    lease.take("a")
    clock.now += 1.5
    assert lease.take("a")
    clock.now += 1.5
    assert lease.holder == "a"


steps = st.tuples(st.sampled_from(["take", "renew", "release"]), st.sampled_from("abc"), st.floats(0.0, 3.0))


@given(st.lists(steps, max_size=40))
def test_nobody_loses_it_to_another_while_alive(history):
    clock = Clock()
    lease = Lease(gone_s=2.0, clock=clock)
    heard = {}
    for word, client, wait_s in history:
        clock.now += wait_s
        before = lease.holder
        if before is not None:
            assert clock.now - heard[before] <= 2.0
        done = getattr(lease, word)(client)
        if before not in (None, client):
            assert not done and lease.holder == before
        if done and word != "release":
            heard[client] = clock.now
