"""What ``microtwin calibrate-rig`` measures: the scale, the angle between camera and coils, step-out."""
