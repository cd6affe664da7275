"""What the microscope shows: masks, detection and the tracker that turns frames into observations."""

from microtwin.image_axes import to_image, to_world
from microtwin.rig import LostError
from microtwin.vision.detect import Detection, detect
from microtwin.vision.mask import MaskSettings, suggest
from microtwin.vision.track import Track
from microtwin.vision.tracker import Tracker

__all__ = ["Detection", "LostError", "MaskSettings", "Track", "Tracker", "detect", "suggest", "to_image", "to_world"]
