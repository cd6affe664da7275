"""The objects to push, in the order of their selection; one that was let go has its path again when it is back."""

from dataclasses import dataclass, field

from microtwin.panel.engine.place import REFIND_UM, Place, Seen, apart_um, same


@dataclass
class Objects:
    """What is to be pushed.

    Attributes:
        places: in the order of selection. active: number of the one that is tracked and pushed; 0 where there is none.
    """

    places: list[Place] = field(default_factory=list)
    active: int = 0
    _let_go: list[Place] = field(default_factory=list)  # the last one with a path, if any

    def clear(self) -> None:
        """Another scene: there are none, and nothing is remembered."""
        self.places, self.active, self._let_go = [], 0, []

    def choose(self, places: list[Place]) -> None:
        """These from now on, the last one active."""
        gone = [one for one in self.places if one.nodes_um is not None and all(one is not new for new in places)]
        if gone:
            self._let_go = gone[-1:]
        self.places, self.active = places, max(0, len(places) - 1)

    def drop(self, number: int) -> None:
        """One less."""
        gone = self.places.pop(number)
        if gone.nodes_um is not None:
            self._let_go = [gone]
        self.active = max(0, min(self.active, len(self.places) - 1))

    def numbers_of(self, body: Seen) -> list[int]:
        """As which objects a body is selected already."""
        return [number for number, one in enumerate(self.places) if same(one, body)]

    def place_of(self, body: Seen) -> Place:
        """A body as a selected one, with the path that it had, or that a body lost here had."""
        for old in self.places:
            if same(old, body):
                old.at_um, old.radius_um = body.at_um, body.radius_um
                return old
        place = Place(body.at_um, body.radius_um)
        for old in self._let_go:
            if apart_um(old, body) < REFIND_UM:
                place.nodes_um, place.path, self._let_go = old.nodes_um, old.path, []
                break
        return place
