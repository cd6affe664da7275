"""By which mask each body is told from the background: one that was set, or one that the picture suggests."""

from microtwin.errors import InputError
from microtwin.panel.messages import Body
from microtwin.rig import Frame
from microtwin.vision.background import grey_image
from microtwin.vision.mask import MaskSettings, suggest


class Masks:
    """One for the robot, one for the objects.

    Attributes:
        given: those that were set; None for suggested ones.
    """

    def __init__(self) -> None:
        self.given: dict[Body, MaskSettings | None] = {"robot": None, "object": None}
        self._suggested = MaskSettings()

    def of(self, body: Body) -> MaskSettings:
        """The mask for a body that is not tracked."""
        return self.given[body] or self._suggested

    def set(self, body: Body, settings: MaskSettings | None, frame: Frame) -> MaskSettings:
        """This mask from now on, or for None a suggested one; which it is.

        Raises:
            InputError: nothing stands out that a mask could be suggested from.
        """
        wanted = suggest(frame.image) if settings is None else settings
        self.given[body] = settings
        if settings is None:
            self._suggested = wanted
        return wanted

    def suggest_for(self, frame: Frame) -> None:
        """What a new scene suggests; the usual mask where nothing stands out."""
        try:
            self._suggested = suggest(grey_image(frame))
        except InputError:
            self._suggested = MaskSettings()
