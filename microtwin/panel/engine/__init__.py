"""The engine: owns the rig, runs its loop, records, and turns the field off when nobody is there."""
