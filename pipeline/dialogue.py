"""A dialogue seen as one question and one answer, for what judges or compares whole texts."""

import polars as pl


def as_single_turn(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace `prompt` by the first question and `response` by all that the answerer says.

    Rows without history stay as they are.
    """
    if "history" not in frame.columns:
        return frame
    turns = pl.col("history").list.len().fill_null(0) > 0
    said = pl.col("history").list.eval(
        pl.when(pl.element().struct.field("role") == "assistant").then(
            pl.element().struct.field("content")
        )
    )
    whole = said.list.drop_nulls().list.join("\n\n") + "\n\n" + pl.col("response")
    asked = pl.col("history").list.first().struct.field("content")
    return frame.with_columns(
        response=pl.when(turns).then(whole).otherwise("response"),
        prompt=pl.when(turns).then(asked).otherwise("prompt"),
    )
