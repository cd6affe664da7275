"""Training of policies in the environments, with Stable-Baselines3; needs the ``learn`` extra.

``training`` holds what a run is asked for, ``train`` does it, ``watch`` looks after it; every other file is one part.
"""
