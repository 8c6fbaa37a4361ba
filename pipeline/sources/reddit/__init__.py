"""Reddit threads: a submission and the best reply to it."""

from pipeline.sources.reddit.reader import find, read

__all__ = ["find", "read"]
