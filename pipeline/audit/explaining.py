"""Ask a judge whether responses explain their steps, and hold the markers against what it says.

Only a lot of the responses is asked about, since each is a call; their texts go to the endpoint of
the settings. The judge is no truth either: the figures say how far two ways of telling agree.
"""

from typing import Any

import numpy as np
import polars as pl

from pipeline.audit.space import draw
from pipeline.audit.style import marks
from pipeline.judge.agreement import kappa
from pipeline.judge.asking import Asker
from pipeline.judge.prompts import Asking, explained, request_in

_EVEN = 0.5  # the judge's expected verdict from which a response explains


def ask(rows: pl.DataFrame, asker: Asker, count: int, seed: int) -> dict[str, Any]:
    """Return what a judge says of so many responses, beside what the markers say of them.

    Raises ModelError where no call can succeed. A response without a verdict counts as a failure.
    """
    answered = rows.filter(pl.col("response").str.strip_chars().str.len_chars() > 0)
    drawn = draw(answered, count, seed)
    settings = asker.settings
    asking = Asking(settings.style, settings.max_chars)
    questions = [
        explained(request_in(row), row["response"], asking) for row in drawn.iter_rows(named=True)
    ]
    verdicts = asker.ask(questions)
    found = drawn.select("id").with_columns(
        markers=marks(drawn["response"])["explains"],
        judge=pl.Series([verdict.value for verdict in verdicts], dtype=pl.Float64),
        reason=pl.Series([verdict.reason for verdict in verdicts], dtype=pl.String),
    )
    judged = found.drop_nulls("judge").with_columns(judge=pl.col("judge") >= _EVEN)
    reasons = found["reason"].drop_nulls().value_counts().sort("reason")
    table = {
        f"{'markers' if one else 'no markers'}, judge {'yes' if other else 'no'}": int(
            ((judged["markers"] == one) & (judged["judge"] == other)).sum()
        )
        for one in (True, False)
        for other in (True, False)
    }
    ours, theirs = (judged[name].to_numpy().astype(np.int64) for name in ("markers", "judge"))
    chance = kappa(ours, theirs)
    apart = judged.filter(pl.col("markers") != pl.col("judge"))
    return {
        "model": settings.model,
        "asked": len(found),
        "judged": len(judged),
        "failures": dict(reasons.iter_rows()),
        "explain": _share(theirs),
        "markers": _share(ours),
        "agree": _share((ours == theirs).astype(np.int64)),
        "kappa": None if chance is None else round(chance, 4),
        "table": table,
        "apart": apart["id"].head(5).to_list(),
        "bill": asker.bill.to_json(),
    }


def _share(values: Any) -> float | None:  # noqa: ANN401
    return round(float(values.mean()), 4) if len(values) else None
