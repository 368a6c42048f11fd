"""Fixtures of tests that run the tools."""

from video_data import make_dataset  # noqa: F401
