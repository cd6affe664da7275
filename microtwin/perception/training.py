"""What one training is asked for, and the device and precision that this machine does it with."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from microtwin.errors import InputError
from microtwin.perception.labels import KINDS, Kind

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Training:
    """One training, except for its images and where it is kept.

    Attributes:
        kind: ``pose``, ``depth`` or ``joint``. network: a name of :data:`microtwin.perception.networks.NAMES`.
        size: of the images' sides as the network sees them, pixels.
        epochs, batch, learning_rate, weight_decay: of AdamW with one cycle.
        augment: turn, shift, blur and add noise.
        pretrained: begin from torchvision's weights, or twinnet's own.
        precision: of the forward and backward passes; auto is bfloat16 where the machine has it.
        seed: of everything that is drawn. options: of the network.
    """

    kind: Kind = "pose"
    network: str = "twinnet"
    size: int = 128
    epochs: int = 20
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    augment: bool = True
    pretrained: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from microtwin.perception.networks import NAMES
        from microtwin.perception.prepare import check_size

        for name, choices in (
            ("kind", KINDS),
            ("network", NAMES),
            ("precision", PRECISIONS),
            ("device", DEVICES),
        ):
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} is {getattr(self, name)!r}: choose {', '.join(choices[:-1])} or {choices[-1]}"
                )
        for name, least in (("size", 1), ("epochs", 1), ("batch", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} is {value}: give a whole number, {least} or more")
        check_size(self.size)
        if not (_number(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"learning_rate is {self.learning_rate}: give a positive number")
        if not (_number(self.weight_decay) and self.weight_decay >= 0):
            raise InputError(f"weight_decay is {self.weight_decay}: give 0 or more")

    def to_json(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Training":
        """The inverse of :meth:`to_json`.

        Raises:
            InputError: a value is missing, unknown or of another kind.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"settings of a training that cannot be read ({error})") from None


def device_of(name: str) -> str:
    """``cpu`` or ``cuda``; auto takes a GPU where there is one.

    Raises:
        InputError: a GPU is asked for, and there is none.
    """
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is cuda, and torch finds no GPU here: leave --device out, or give --device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def low_precision(precision: str, device: str) -> bool:
    """Whether passes run in bfloat16: by itself only where the processor multiplies it, else it is slower."""
    import torch

    if precision == "auto":
        if device == "cuda":
            return torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return precision == "bfloat16"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
