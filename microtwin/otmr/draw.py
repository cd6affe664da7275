"""One sequence's nuisance, as drawn: the values that go into its images and beside them into the metadata."""

from dataclasses import asdict, dataclass

GRID_UM = 0.11  # pixel of the grid on which waves are propagated: two of the camera's


@dataclass(frozen=True)
class Draw:
    """One sequence's nuisance: what :class:`Randomisation` drew."""

    polymer_index: float
    wavelength_um: float
    na: float
    condenser_na: float
    astigmatism_waves: float  # RMS, Zernike (2, 2)
    oblique_astigmatism_waves: float  # (2, −2)
    coma_x_waves: float  # (3, 1)
    coma_y_waves: float  # (3, −1)
    spherical_waves: float  # (4, 0)
    background_dn: float
    gradient_x: float  # relative change of the light from the middle to the edge of a crop, to the right
    gradient_y: float  # downwards
    electrons: float
    read_noise_e: float
    prnu: float
    interpolation_px: float
    jpeg_quality: int
    dust: int
    dust_radius_px: float
    dust_depth: float
    sensor_seed: int
    place_x_um: float  # of the robot on the full frame, right of its middle
    place_y_um: float  # above its middle
    centring_um: float
    drift_um: float
    in_plane_deg: float
    lean_x_deg: float
    lean_y_deg: float
    size_error_x: float
    size_error_y: float
    size_error_z: float
    roughness_nm: float
    roughness_length_um: float
    spot_um: float
    spot_aspect: float
    cut_um: float
    residue_um: float
    print_seed: int

    def row(self) -> dict[str, float | int | str | bool]:
        """One flat row of a table; names carry the units."""
        return asdict(self)
