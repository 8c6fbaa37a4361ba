"""Give the values of a foreign table the types of our columns."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from pipeline.record import RAW

_ROLES = frozenset({"user", "assistant"})


def value_of(ours: str, value: object) -> Any:  # noqa: ANN401 - whatever the column holds
    """Give a value the type of our column; raises ValueError if it cannot be meant."""
    kind = RAW[ours]
    if value is None or (value == "" and kind != pl.String):
        return None
    if ours == "history":
        return _history(value)
    if kind == pl.List(pl.String):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        raise ValueError(f"{ours} is no list of texts")
    try:
        return _scalar(kind, value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{ours} cannot be {str(value)[:60]!r}") from error


def _scalar(kind: pl.DataType, value: object) -> object:
    if kind == pl.String:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
    elif kind == pl.Boolean:
        named = {"true": True, "1": True, "false": False, "0": False}
        return named.get(str(value).lower())
    elif kind == pl.Int64 and isinstance(value, (int, float, str)):
        whole = int(float(value))
        if abs(whole) < 2**63:
            return whole
    elif kind == pl.Float64 and isinstance(value, (int, float, str)):
        return float(value)
    elif kind == pl.Datetime("ms"):
        return _moment(value)
    raise TypeError(type(value).__name__)


def _moment(value: object) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, (int, float)):
        value = datetime.fromtimestamp(value, UTC)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise TypeError("no date")
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _history(value: object) -> list[dict[str, str]]:
    turns: list[Any] = value if isinstance(value, list) else [value]
    for turn in turns:
        if (
            not isinstance(turn, dict)
            or turn.get("role") not in _ROLES
            or not isinstance(turn.get("content"), str)
        ):
            raise ValueError("history is no list of turns with role and content")
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]
