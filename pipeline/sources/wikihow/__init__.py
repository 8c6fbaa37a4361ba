"""wikiHow articles, whatever layout they were saved in."""

from pipeline.sources.wikihow.reader import find, read

__all__ = ["find", "read"]
