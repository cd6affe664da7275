"""A rig that is not there: the real firmware in an AVR emulator, its coils, a world and a camera, for tests and demos.

Host software talks to it as to a rig, over a serial port and a camera protocol. It needs Debian packages
(:func:`emulated_rig.build.missing` names them) and, for simavr's licence's sake too (GPL-3), is not in the wheel.
"""
