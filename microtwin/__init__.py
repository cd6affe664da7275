"""A digital twin for magnetic rolling microrobots and for the microscope that watches them.

Units inside: µm, s, pN, mT, rad, Hz. World frame: right-handed, x right, y up, z away from the glass, glass at z = 0.

This package imports nothing when it is imported: take what you need from its modules, for example
``from microtwin.paths import circle``.
"""

__version__ = "0.1.0"
