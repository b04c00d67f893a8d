"""Demos: the two programs that artifact-torch is shown with, in its manner and in ours."""
