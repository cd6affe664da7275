"""Pose and depth of a robot from a picture of it, by networks trained on pictures; needs the ``learn`` extra.

``networks`` builds them, ``examples`` and ``source`` feed them, ``fit`` trains them, ``estimator`` uses them; every
other file is one part.
"""
