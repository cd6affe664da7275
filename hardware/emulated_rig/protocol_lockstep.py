"""Where pyserial looks for ``lockstep://`` URLs."""

from emulated_rig.lockstep import LockstepPort as Serial

__all__ = ["Serial"]
