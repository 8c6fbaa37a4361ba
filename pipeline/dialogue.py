"""A dialogue seen as one question and one answer, for what judges or compares whole texts."""

import polars as pl


def as_single_turn(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace `prompt` by the first question and `response` by all that the answerer says.

    What else is said to the answerer, by the system and in later questions, stands in `other_turns`,
    for guards that must see all of a row. A frame without history stays as it is.
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
    system = [pl.col("system")] if "system" in frame.columns else []
    questions = (
        pl.col("history")
        .list.slice(1)
        .list.eval(
            pl.when(pl.element().struct.field("role") != "assistant").then(
                pl.element().struct.field("content")
            )
        )
    )
    later = questions.list.drop_nulls().list.join("\n\n")
    last = pl.when(turns).then("prompt")
    further = pl.concat_str([*system, later, last], separator="\n\n", ignore_nulls=True)
    asked = pl.col("history").list.first().struct.field("content")
    return frame.with_columns(
        response=pl.when(turns).then(whole).otherwise("response"),
        prompt=pl.when(turns).then(asked).otherwise("prompt"),
        other_turns=pl.when(further.str.contains(r"\S")).then(further),
    )


def each_question(frame: pl.DataFrame) -> pl.DataFrame:
    """List every question of each row: `id`, `prompt`, and with the first one all that is answered.

    For what looks for known texts: a later question may be one of them.
    """
    columns = ["id", "prompt", "response"]
    whole = as_single_turn(frame).select(columns)
    if "history" not in frame.columns:
        return whole
    talks = frame.filter(pl.col("history").list.len() > 1)
    turns = talks.select("id", pl.col("history").list.slice(1)).explode("history")
    role, content = (pl.col("history").struct.field(name) for name in ("role", "content"))
    later = turns.filter(role != "assistant").select("id", prompt=content)
    later = pl.concat([later, talks.select("id", "prompt")])
    return pl.concat([whole, later.with_columns(response=pl.lit(None, pl.String))])
