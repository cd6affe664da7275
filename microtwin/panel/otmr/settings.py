"""The settings of the OTMR page's picture: robot, pose, depth, optics, seed."""

from collections.abc import Callable

from nicegui import ui

from microtwin.errors import InputError
from microtwin.panel.otmr.view import LARGEST_SEED, SLIDERS, View, at_random, usual
from microtwin.panel.page.controls import Quantity, button, named, put, section
from microtwin.panel.page.slider_row import SliderRow
from microtwin.robots.catalogue import catalogue

FIRST_ROBOT = 3
OPEN = ("Objective", "Condenser and lamp")  # groups of sliders that are unfolded at first


class _Row(SliderRow):
    """A slider that also the page may set, and whose ends may move."""

    def put(self, value: float, limits: tuple[float, float] | None = None) -> None:
        if limits is not None and limits != self._limits:
            self._limits = limits
            put(self.slider, min=limits[0], max=limits[1])
        self._set(value)


class Settings:
    """The controls, and a line for what is wrong with them.

    Args:
        on_change: something is otherwise. on_robot: it is another robot, told before ``on_change``.
    """

    def __init__(self, on_change: Callable[[], None], on_robot: Callable[[], None]):
        self._on_change, self._on_robot = on_change, on_robot
        self._depth_um: float | None = None  # as wished: None for the middle of the sweep
        self._pose()
        self._optics()

    def _pose(self) -> None:
        with section("Robot and pose"):
            names = {number: f"{number} · {body.name}" for number, body in catalogue().items()}
            self._robot = ui.select(names, value=FIRST_ROBOT, label="Robot", on_change=self._other_robot)
            named(self._robot.props("dense outlined options-dense").classes("mt-field"), "otmr-robot", "Robot")
            self._pitch = _Row("otmr-pitch", "Pitch", (0, 90), 1, 0, self._on_change, unit="°")
            self._roll = _Row("otmr-roll", "Roll", (0, 90), 1, 0, self._on_change, unit="°")
            self._in_plane = _Row("otmr-in-plane", "In plane", (0, 360), 1, 0, self._on_change, unit="°")
            self._depth = _Row("otmr-depth", "Depth", (-12, 12), 0.05, 0, self._depth_set, unit="µm")
            self._wrong = named(ui.label().classes("mt-wrong").props("role=alert"), "otmr-wrong")

    def _optics(self) -> None:
        values = usual()
        self._rows: dict[str, _Row] = {}
        with section("Optics, camera, print"):
            for group, sliders in SLIDERS.items():
                expansion = ui.expansion(group, value=group in OPEN).props("dense")
                with named(expansion, f"otmr-group-{group.split()[0].lower()}"):
                    for slider in sliders:
                        self._rows[slider.name] = _Row(
                            f"otmr-{slider.name.replace('_', '-')}",
                            slider.label,
                            (slider.least, slider.most),
                            slider.step,
                            round(values[slider.name], 6),
                            self._on_change,
                            unit=slider.unit,
                        )
            self._seed = Quantity(
                "otmr-seed", "Seed of noise", "", (0, LARGEST_SEED), value=0, whole=True, on_change=self._on_change
            )
            with ui.element("div").classes("mt-row"):
                button("Draw at random", "otmr-random", self._at_random, hint="As the data set draws it, by the seed")
                button("Usual optics", "otmr-usual", lambda: self._put(usual()), hint="The middles of all ranges")

    @property
    def robot(self) -> int:
        return self._robot.value or FIRST_ROBOT

    @property
    def seed(self) -> int:
        """
        Raises:
            InputError: it is none.
        """
        return int(self._seed.number)

    def view(self) -> View:
        """What the controls say; the worker checks it.

        Raises:
            InputError: the seed is none.
        """
        optics = {name: row.value for name, row in self._rows.items() if row.value is not None}
        pitch, roll, in_plane = (row.value or 0 for row in (self._pitch, self._roll, self._in_plane))
        return View(
            robot=self.robot,
            pitch_deg=pitch,  # pyright: ignore[reportArgumentType] (the worker says if it is not whole)
            roll_deg=roll,  # pyright: ignore[reportArgumentType]
            in_plane_deg=in_plane,
            depth_um=self._depth_um,
            optics=optics,
            seed=self.seed,
        )

    def show_depth(self, depth_um: float, low: float, high: float) -> None:
        """The depth that was drawn, and the ends of the robot's sweep."""
        if self._depth_um is not None:
            self._depth_um = min(max(self._depth_um, low), high)
        self._depth.put(depth_um, (low, high))

    def complain(self, words: str) -> None:
        """Say what is wrong with the settings; nothing with empty words."""
        self._wrong.text = words

    def _other_robot(self) -> None:
        self._depth_um = None  # the middle of its own sweep
        self._on_robot()
        self._on_change()

    def _depth_set(self) -> None:
        self._depth_um = self._depth.value
        self._on_change()

    def _put(self, values: dict[str, float]) -> None:
        for name, row in self._rows.items():
            row.put(round(values[name], 6))
        self._on_change()

    def _at_random(self) -> None:
        try:
            self._put(at_random(self.seed))
        except InputError as error:
            self.complain(str(error))
