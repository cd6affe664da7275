"""The OTMR image set: its poses, its depths, its folders, and images made like it."""
