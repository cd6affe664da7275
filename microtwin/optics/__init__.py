"""Wave optics: meshes as index slices, their light through a brightfield microscope, and the sensor that takes it."""

from microtwin.optics.microscope import Microscope
from microtwin.optics.propagation import ExitField, propagate
from microtwin.optics.sensor import Sensor
from microtwin.optics.slices import fill, sphere_fill

__all__ = ["ExitField", "Microscope", "Sensor", "fill", "propagate", "sphere_fill"]
