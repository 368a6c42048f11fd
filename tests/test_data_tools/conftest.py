"""Fixtures of tests on datasets."""

from video_data import default_scope, make_dataset  # noqa: F401
