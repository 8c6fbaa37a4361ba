"""Any local table, with a mapping of its columns."""

from pipeline.sources.table.reader import find, read

__all__ = ["find", "read"]
