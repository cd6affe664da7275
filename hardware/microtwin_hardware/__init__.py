"""Real coils over a serial line, real cameras, a real stage: what ``backend="hardware"`` opens.

It knows of no twin: the same controllers, policies and trackers run here on the same contracts
(:mod:`microtwin.rig`).
"""
