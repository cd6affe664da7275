"""Holding a commanded depth with the z-stage: a twin to do it in, the loop, and what a run leaves behind."""
