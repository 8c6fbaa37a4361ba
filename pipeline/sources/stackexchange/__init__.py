"""Stack Exchange dumps: a question and its top answer."""

from pipeline.sources.stackexchange.files import find, left_out
from pipeline.sources.stackexchange.reader import read

__all__ = ["find", "left_out", "read"]
