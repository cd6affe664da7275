"""The tab Twin: what lies on the twin's bench, and an elbow against it."""

import math
from dataclasses import asdict
from typing import Any, get_args

from nicegui import ui

from microtwin.errors import InputError
from microtwin.panel.engine.twin import FASTEST_FLOW_UM_S, LARGEST_DEFOCUS_UM, MOST_BODIES, TwinSettings
from microtwin.panel.messages import Disturb, Header, SetTwin
from microtwin.panel.page.controls import Quantity, allow, button, named, section
from microtwin.panel.page.seat import Seat, complain
from microtwin.panel.page.words import BUSY, RUNS
from microtwin.scene import CargoKind, RobotKind
from microtwin.simulated import MAX_LATENCY_FRAMES

ROBOTS: dict[RobotKind, str] = {
    "paper": "as in the pushing paper",
    "nominal": "median of the calibration",
    "population": "drawn from the population, by the seed",
}
CARGOES: dict[CargoKind, str] = {"bead": "bead, 10 µm silica in water", "cell": "cell, 13.5 µm in culture medium"}
assert set(ROBOTS) == set(get_args(RobotKind)) and set(CARGOES) == set(get_args(CargoKind))


class TwinTab:
    """Settings take effect with Rebuild; until then the fields are a wish."""

    def __init__(self, seat: Seat):
        self._seat = seat
        self._on_bench: dict[str, Any] | None = None
        start = TwinSettings()
        with section("Bodies"):
            self._robot = self._select("twin-robot", "Robot", ROBOTS, start.robot)
            self._cargo = self._select("twin-cargo", "Kind of objects", CARGOES, start.cargo)
            with ui.element("div").classes("mt-fields"):
                self._objects = Quantity(
                    "twin-objects", "Objects", "", (1, MOST_BODIES), value=start.objects, whole=True
                )
                self._cells = Quantity(
                    "twin-cells", "Resting cells", "", (0, MOST_BODIES), value=start.cells, whole=True
                )
                self._seed = Quantity("twin-seed", "Seed", "", (0, 2**32 - 1), value=start.seed, whole=True)
        with section("Liquid"):
            self._brownian = named(ui.switch("Brownian motion", value=start.brownian).props("dense"), "twin-brownian")
            with ui.element("div").classes("mt-fields"):
                self._flow = Quantity(
                    "twin-flow", "Flow", "µm/s", (0, FASTEST_FLOW_UM_S), value=start.flow_um_s, step=0.5
                )
                self._flow_deg = Quantity(
                    "twin-flow-deg",
                    "Flow direction",
                    "°",
                    (-360, 360),
                    value=start.flow_deg,
                    step=15,
                    more="0 right, 90 up",
                )
        with section("Microscope and clock"), ui.element("div").classes("mt-fields"):
            self._latency = Quantity(
                "twin-latency", "Latency", "frames", (0, MAX_LATENCY_FRAMES), value=start.latency_frames, whole=True
            )
            self._defocus = Quantity(
                "twin-defocus",
                "Defocus",
                "µm",
                (-LARGEST_DEFOCUS_UM, LARGEST_DEFOCUS_UM),
                value=start.defocus_um,
                step=0.5,
            )
            self._speed = Quantity(
                "twin-speed",
                "Speed",
                "× real time",
                (0, 100),
                value=start.speed,
                step=0.5,
                above=True,
                empty="as fast as it goes",
            )
        with ui.row().classes("mt-row"):
            self._rebuild = button("Rebuild", "twin-rebuild", self._rebuilt, icon="restart_alt", main=True)
            self._rebuild.props["data-hint"] = "Make the bench anew with these settings"
            self._disturb = button("Disturb", "twin-disturb", self._disturbed, icon="vibration")
            self._disturb.props["data-hint"] = "Knock against the object"
        self._changed = named(ui.label(), "twin-changed").classes("mt-hint")

    def show(self, header: Header) -> None:
        refusal = self._seat.refusal
        if header["twin"] is not None and header["twin"] != self._on_bench:
            self._on_bench = header["twin"]
            self._fill(header["twin"])
        busy = "a run goes on: stop it first" if header["state"] in RUNS else BUSY.get(header["state"], "")
        for field in self._fields().values():
            allow(field.field if isinstance(field, Quantity) else field, refusal)
        allow(self._rebuild, refusal or busy)
        allow(self._disturb, refusal or BUSY.get(header["state"], ""))
        self._changed.text = self._difference()

    def settings(self) -> TwinSettings:
        """What the fields say.

        Raises:
            InputError: one that cannot be used, or together with the others.
        """
        speed = self._speed.value
        return TwinSettings(
            robot=self._robot.value,
            cargo=self._cargo.value,
            objects=int(self._objects.number),
            cells=int(self._cells.number),
            seed=int(self._seed.number),
            brownian=bool(self._brownian.value),
            flow_um_s=self._flow.number,
            flow_deg=self._flow_deg.number,
            latency_frames=int(self._latency.number),
            defocus_um=self._defocus.number,
            speed=math.inf if speed is None else speed,
        )

    def _fields(self) -> dict[str, Any]:
        return {
            "robot": self._robot,
            "cargo": self._cargo,
            "objects": self._objects,
            "cells": self._cells,
            "seed": self._seed,
            "brownian": self._brownian,
            "flow_um_s": self._flow,
            "flow_deg": self._flow_deg,
            "latency_frames": self._latency,
            "defocus_um": self._defocus,
            "speed": self._speed,
        }

    def _fill(self, twin: dict[str, Any]) -> None:
        for name, field in self._fields().items():
            value = twin[name]
            if name == "speed" and (value is None or math.isinf(value)):
                value = None  # JSON has no infinity
            (field.field if isinstance(field, Quantity) else field).value = value

    def _difference(self) -> str:
        try:
            wished = asdict(self.settings())
        except InputError:
            return ""
        if self._on_bench is None:
            return ""
        bench = self._on_bench | {"speed": math.inf if self._on_bench["speed"] is None else self._on_bench["speed"]}
        changed = [name.split("_")[0] for name, value in wished.items() if value != bench.get(name)]
        return f"Not on the bench yet: {', '.join(dict.fromkeys(changed))}." if changed else ""

    def _rebuilt(self) -> None:
        try:
            settings = self.settings()
        except InputError as error:
            return complain(str(error))
        self._seat.send(SetTwin(settings))

    def _disturbed(self) -> None:
        self._seat.send(Disturb())

    @staticmethod
    def _select(name: str, label: str, words: dict[Any, str], value: str) -> ui.select:
        made = ui.select(words, value=value, label=label).props("dense outlined options-dense").classes("w-full")
        return named(made, name)
