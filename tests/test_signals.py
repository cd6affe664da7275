"""Signals that ask a run to end, as Ctrl-C."""

import signal
import threading

import pytest

from microtwin.signals import ENDINGS, as_ctrl_c


@pytest.fixture(params=ENDINGS, ids=lambda number: number.name)
def ending(request):
    before = signal.signal(request.param, lambda *_: None)
    yield request.param
    signal.signal(request.param, before)


def test_inside_it_is_ctrl_c_and_afterwards_what_it_was(ending):
    before = signal.getsignal(ending)
    with pytest.raises(KeyboardInterrupt), as_ctrl_c():
        signal.raise_signal(ending)
    assert signal.getsignal(ending) is before


def test_what_is_ignored_stays_ignored(ending):
    signal.signal(ending, signal.SIG_IGN)  # as nohup does
    with as_ctrl_c():
        signal.raise_signal(ending)
    assert signal.getsignal(ending) is signal.SIG_IGN


def test_a_thread_changes_nothing(ending):
    before, seen = signal.getsignal(ending), []

    def work():
        with as_ctrl_c():
            seen.append(signal.getsignal(ending))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
