"""A stage whose own scale runs against the depth."""

from typing import Self

from microtwin.rig import Stage


class Mirrored:
    """A stage read and moved with the other sign; messages about its travel are in its own scale."""

    def __init__(self, stage: Stage):
        self.stage = stage

    @property
    def position_um(self) -> float:
        return -self.stage.position_um

    @property
    def travel_um(self) -> tuple[float, float]:
        low, high = self.stage.travel_um
        return -high, -low

    def head_for(self, z_um: float) -> None:
        self.stage.head_for(-z_um)

    def move_to(self, z_um: float) -> None:
        self.stage.move_to(-z_um)

    def __enter__(self) -> Self:
        self.stage.__enter__()
        return self

    def __exit__(self, *exception) -> None:
        self.stage.__exit__(*exception)
