"""A dialogue seen as one question and one answer, for what judges or compares whole texts."""

import polars as pl

_ROLE, _SAID = (pl.element().struct.field(name) for name in ("role", "content"))


def as_single_turn(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace `prompt` by the first question and `response` by all that the answerer says.

    Later questions stand in `later`; `other_turns` is all that is said to the answerer besides the
    first question, by the system too, for guards that must see all of a row. A frame without
    history stays as it is.
    """
    if "history" not in frame.columns:
        return frame
    history = pl.col("history")
    turns = history.list.len().fill_null(0) > 0
    said = history.list.eval(pl.when(_ROLE == "assistant").then(_SAID)).list.drop_nulls()
    whole = said.list.join("\n\n") + "\n\n" + pl.col("response")
    asked = history.list.slice(1).list.eval(pl.when(_ROLE != "assistant").then(_SAID))
    later = pl.when(turns).then(asked.list.drop_nulls().list.concat(pl.col("prompt")))
    first = history.list.first().struct.field("content")
    system = [pl.col("system")] if "system" in frame.columns else []
    others = [*system, later.list.drop_nulls().list.join("\n\n")]
    further = pl.concat_str(others, separator="\n\n", ignore_nulls=True)
    return frame.with_columns(
        response=pl.when(turns).then(whole).otherwise("response"),
        prompt=pl.when(turns).then(first).otherwise("prompt"),
        later=later,
        other_turns=pl.when(further.str.contains(r"\S")).then(further),
    )


def every_question(rows: pl.DataFrame) -> pl.DataFrame:
    """List each question of single turns: `id`, `prompt`, and with the first what is answered.

    For what looks for known texts: a later question may be one of them.
    """
    first = rows.select("id", "prompt", "response")
    if "later" not in rows.columns:
        return first
    later = rows.select("id", prompt="later").explode("prompt", empty_as_null=False).drop_nulls()
    return pl.concat([first, later.with_columns(response=pl.lit(None, pl.String))])
