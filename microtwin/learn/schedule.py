"""A learning rate that falls to zero over the budget, be it steps or minutes."""


class Decay:
    """``rate`` × the part of the budget that is left; SB3 itself counts in steps only."""

    def __init__(self, rate: float):
        self.rate = rate
        self.left = 1.0

    def __call__(self, progress_remaining: float) -> float:
        return self.rate * max(self.left, 0.0)


def learning_rate(value: float | str) -> "float | Decay":
    """A constant, or a :class:`Decay` for the text ``lin_0.001`` (RL Zoo's notation).

    Raises:
        ValueError: any other text.
    """
    if not isinstance(value, str):
        return float(value)
    if not value.startswith("lin_"):
        raise ValueError("give a number, or lin_ and a number for one that falls to zero")
    return Decay(float(value.removeprefix("lin_")))
