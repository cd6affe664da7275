"""The tab Run: bodies, path, controller, driving by hand, the last run's figures, notices."""

from collections.abc import Callable

from microtwin.panel.choose_bodies import ChooseBodies
from microtwin.panel.choose_path import ChoosePath
from microtwin.panel.hand_pad import HandPad
from microtwin.panel.last_run import LastRun
from microtwin.panel.messages import Header, Start
from microtwin.panel.notice_log import NoticeLog
from microtwin.panel.run_settings import RunSettings, RunSettingsForm
from microtwin.panel.seat import Seat


class RunTab:
    """``settings``: shared by all browsers. ``on_open_run``: shows the list of runs."""

    def __init__(self, seat: Seat, settings: RunSettings, on_open_run: Callable[[], object]):
        last = LastRun(on_open_run)
        bodies, path = ChooseBodies(seat), ChoosePath(seat)
        self._form = RunSettingsForm(seat, settings)
        self._parts = (bodies, path, self._form, HandPad(seat), last, NoticeLog())

    def show(self, header: Header) -> None:
        for part in self._parts:
            part.show(header)

    def start(self) -> Start:
        """What Start sends.

        Raises:
            InputError: a field that cannot be used.
        """
        return self._form.command()
