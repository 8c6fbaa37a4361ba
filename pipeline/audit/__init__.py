"""Audit any instruction set: what it holds, whether a model saw it, who wrote it, how it changes."""

from pipeline.audit.verdict import Audit, audit, contaminated, duplicates

__all__ = ["Audit", "audit", "contaminated", "duplicates"]
