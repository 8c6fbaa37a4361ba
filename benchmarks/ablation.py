"""Take the score of a recipe apart: each part alone, all together, one left out, and controls.

Called by quality.py. All scores here are made by `pipeline.score`, from rows that stand for
candidates of one group. Sites, and prompts of pairs, are halved by a digest: weights may be chosen
on one half, and figures come from the other.
"""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from lima_rules import markdown, posts
from numpy.typing import NDArray

from pipeline.judge.agreement import estimate_mean, tie_discounted
from pipeline.judge.pairs import read_benchmark
from pipeline.judge.pairwise import Pair
from pipeline.learning.learn import with_vectors
from pipeline.learning.measures import interval, rank_correlation
from pipeline.lm.load import load_model
from pipeline.lm.score import rows_of, score
from pipeline.recipe import Embed, Weights
from pipeline.score import fit, structure
from pipeline.score.combine import combine
from pipeline.score.length import shape
from pipeline.score.parts import PARTS
from pipeline.score.stage import measure

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

LM_TOKENS = 256  # of prompt and response together
QUESTIONS = 60  # of each site, with an accepted answer and another one
PAIRS = 250  # of each labelled set
STEPS = 10  # of a weight, from 0 to 1, where weights are looked for


def half(names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which names belong to the half on which weights are chosen."""
    return np.array([int(digest(name), 16) % 2 == 0 for name in names])


def digest(text: str) -> str:
    """The lot of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def candidates(frame: pl.DataFrame, cache: Path | None) -> pl.DataFrame:
    """Make rows with `prompt` and `response` into candidates of one group, with vectors."""
    absent = [name for name in ("votes_rank", "accepted") if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent)
    frame = frame.with_columns(id=pl.int_range(pl.len()).cast(pl.String), group=pl.lit("all"))
    return with_vectors(frame, Embed(), cache)


def read_by(frame: pl.DataFrame, lm: str, cache: Path | None) -> pl.DataFrame:
    """Add what a language model makes of each response, alone and after its prompt."""
    model = load_model(lm, cache=cache)
    found = score(model, rows_of(frame), max_tokens=LM_TOKENS, cache=cache, threads=2)
    named = ("ifd", "perplexity_given_prompt")
    return frame.hstack(found.select(pl.col(name).alias(f"lm_{name}") for name in named))


def drawn(frame: pl.DataFrame, count: int) -> pl.DataFrame:
    """Draw rows by a digest of the response."""
    lots = pl.Series("lot", [digest(text) for text in frame["response"]])
    return frame.with_columns(lots).sort("lot").head(count).drop("lot")


def lines(frame: pl.DataFrame, left_out: Sequence[str] = ()) -> dict[str, Floats]:
    """Score candidates by each part, by the default weights, and by these without each part."""
    measured = measure(frame)
    known = [p for p in PARTS if p.name in measured.columns and p.name not in left_out]
    known = [p for p in known if measured[p.name].null_count() < len(measured)]
    default = Weights().model_dump()

    def scored(weights: Mapping[str, float]) -> Floats:
        quality = combine(measured, weights, known)["quality"].fill_null(0.5)
        return quality.to_numpy().astype(float)

    counted = [part.name for part in known if default[part.name]]
    others = [part.name for part in known if not default[part.name]]
    found = {
        "random": np.random.default_rng(0).random(len(frame)),
        "longer is better": frame["response"].str.len_chars().to_numpy().astype(float),
        **{f"{part.name} alone": scored({part.name: 1.0}) for part in known},
        "**all, default weights**": scored(default),
    }
    for name in counted:
        found[f"all but {name}"] = scored({**default, name: 0.0})
    for name in others:
        found[f"all and {name}, weight 0.15"] = scored({**default, name: 0.15})
    return found


def simple(frame: pl.DataFrame) -> dict[str, Floats]:
    """The parts that need no training, and the controls."""
    length = frame["response"].str.len_chars().to_numpy().astype(float)
    parts = {
        "structure": structure.measure(frame).to_numpy().astype(float),
        "fit": fit.measure(frame).to_numpy().astype(float),
    }
    weights = Weights().model_dump()
    ranks = {name: ranked(values) for name, values in parts.items()}
    ranks["length"] = pl.select(shape(pl.lit(pl.Series(ranked(length))))).to_series().to_numpy()
    together = sum(weights[name] * values for name, values in ranks.items())
    return {
        "random": np.random.default_rng(0).random(len(frame)),
        "length alone": length,
        **parts,
        "structure, length and fit, as weighted by default": np.asarray(together),
    }


def ranked(values: Floats) -> Floats:
    """Ranks in (0, 1), as pipeline.score.combine makes them."""
    rank = pl.Series(values).rank("average").to_numpy()
    return np.asarray((rank - 0.5) / len(values))


def apart(
    rated: pl.DataFrame,
    labels: Mapping[str, Floats],
    data: Path,
    cache: Path | None,
    lm: str | None,
    count: int,
) -> str:
    """Write the section; `rated` are the pairs of 60 sites (`prompt`, `response`, `host`)."""
    ours = half(rated["host"].to_list())
    sites = rated["host"].rank("dense").cast(pl.Int64).to_numpy()
    rated = candidates(rated, cache)
    held = f"{int((~ours).sum()):,} pairs of {len(np.unique(sites[~ours]))} sites"
    text = [
        "## The score of a recipe, taken apart",
        f"Labels of people on the half of the sites that nothing was chosen on ({held}): Spearman's rank "
        "correlation inside a site, averaged by rows.",
        table(["score", *labels], _correlations(rated, labels, sites, ~ours)),
    ]
    if lm:
        few = drawn(rated.with_row_index("place"), count).filter(
            pl.col("place").is_in(np.flatnonzero(~ours))
        )
        places = few["place"].to_numpy()
        chosen_labels = {name: values[places] for name, values in labels.items()}
        few = read_by(few, lm, cache)
        everything = np.ones(len(few), bool)
        text += [
            f"The same on {len(few)} of these rows, drawn by lot, with {lm} reading the first {LM_TOKENS} tokens of "
            "question and answer.",
            table(["score", *labels], _correlations(few, chosen_labels, sites[places], everything)),
        ]
    text += [
        "Weights of structure, length and fit, looked for in steps of 0.1 on the other half of the sites: mean "
        "correlation inside a site over the answer's four labels, and its gain over the default.",
        table(
            ["structure / length / fit", "half that they were chosen on", "half held out"],
            chosen(rated, dict(itertools.islice(labels.items(), 4)), sites, ours),
        ),
    ]
    cells, said = accepted(data / "dumps" / "stackexchange", cache)
    text += [
        "How often a score puts the answer that the asker accepted above another answer to the same question, in "
        f"real dumps ({said}); ties count half. Votes were given before and after the asker accepted.",
        table(["score", "half for choosing", "half held out"], cells),
    ]
    columns, cells = labelled_pairs(data / "quality", cache, lm)
    text += [
        "Pairs of responses with labels of people; agreement as LIMA counts it, a tie on one side being half.",
        table(["score", *columns], cells),
    ]
    return "\n\n".join(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table."""
    body = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([body[0], f"|---|{'---:|' * (len(head) - 1)}", *body[1:]])


def _correlations(
    frame: pl.DataFrame, labels: Mapping[str, Floats], groups: Numbers, rows: NDArray[np.bool_]
) -> list[list[str]]:
    """Return the cells: rank correlation inside a site, of some rows."""
    own = groups[rows]
    found = []
    for name, s in lines(frame.filter(rows)).items():
        cells = [
            str(interval(rank_correlation, s, y[rows], own, inside=True)) for y in labels.values()
        ]
        found.append([name, *cells])
    return found


def chosen(
    frame: pl.DataFrame, labels: Mapping[str, Floats], groups: Numbers, ours: NDArray[np.bool_]
) -> list[list[str]]:
    """Look for weights of structure, length and fit on one half; show both halves.

    What is looked at is the mean over labels of the correlation inside a site.
    """
    measured = measure(frame)
    known = [part for part in PARTS if part.name in ("structure", "length", "fit")]

    def mean(weights: Mapping[str, float], rows: NDArray[np.bool_]) -> Floats:
        """Return the mean correlation of each site, weighted so that their sum is the mean."""
        quality = combine(measured.filter(rows), weights, known)["quality"].to_numpy()
        own, cells = groups[rows], []
        for site in np.unique(own):
            here = own == site
            each = [rank_correlation(quality[here], y[rows][here]) for y in labels.values()]
            there = [value for value in each if np.isfinite(value)]
            if there and here.sum() > 2:
                cells.append((float(np.mean(there)), here.sum()))
        return np.array(cells)

    def said(weights: Mapping[str, float], rows: NDArray[np.bool_]) -> str:
        values = mean(weights, rows)
        gain = values - mean(default, rows)
        gain[:, 1] = values[:, 1]
        rng = np.random.default_rng(0)
        draws = [gain[rng.integers(0, len(gain), len(gain))] for _ in range(1000)]
        low, high = np.quantile(
            [np.average(d[:, 0], weights=d[:, 1]) for d in draws], [0.025, 0.975]
        )
        whole = np.average(values[:, 0], weights=values[:, 1])
        more = np.average(gain[:, 0], weights=gain[:, 1])
        return f"{whole:.3f}, {more:+.3f} [{low:+.3f}, {high:+.3f}]"

    default = {name: Weights().model_dump()[name] for name in ("structure", "length", "fit")}
    grid = [
        dict(zip(default, (a / STEPS, b / STEPS, (STEPS - a - b) / STEPS), strict=True))
        for a, b in itertools.product(range(STEPS + 1), repeat=2)
        if a + b <= STEPS
    ]
    means = [np.average(v[:, 0], weights=v[:, 1]) for v in (mean(w, ours) for w in grid)]
    best = grid[int(np.argmax(means))]
    equal = dict.fromkeys(default, 1.0)
    cells = []
    for name, weights in (("default", default), ("equal", equal), ("best of the grid", best)):
        total = sum(weights.values())
        shares = " / ".join(f"{value / total:.2f}" for value in weights.values())
        cells.append([f"{name}: {shares}", said(weights, ours), said(weights, ~ours)])
    return cells


def accepted_pairs(dumps: Path) -> tuple[pl.DataFrame, list[tuple[int, int]], list[str]]:
    """Return answers, pairs of places (accepted, another to the same question), and their sites."""
    rows: list[dict[str, Any]] = []
    pairs, sites = [], []
    for site in sorted(dumps.iterdir()):
        for question, answers in _asked(site):
            first = len(rows)
            best = next(n for n, a in enumerate(answers) if a["Id"] == question["AcceptedAnswerId"])
            rows += [
                {
                    "site": site.name.removesuffix(".7z"),
                    "prompt": question["Title"],
                    "response": answer["Body"],
                    "votes": int(answer["Score"]),
                    "year": answer["CreationDate"][:4],
                }
                for answer in answers
            ]
            others = [place for place in range(len(answers)) if place != best]
            pairs += [(first + best, first + other) for other in others]
            sites += [site.name.removesuffix(".7z")] * len(others)
    frame = pl.DataFrame(rows).with_columns(
        pl.col("response").map_elements(markdown, return_dtype=pl.String)
    )
    rank = (pl.col("votes").rank("average") - 0.5) / pl.len()
    return frame.with_columns(votes_rank=rank.over("site", "year")), pairs, sites


def _asked(site: Path) -> Iterator[tuple[dict[str, str], list[dict[str, str]]]]:
    """Yield questions with an accepted answer and another one, so many of a site, by lot."""
    questions: dict[str, dict[str, str]] = {}
    answers: dict[str, list[dict[str, str]]] = {}
    for post in posts(site):
        if post.get("PostTypeId") == "1" and post.get("AcceptedAnswerId"):
            questions[post["Id"]] = post
        elif post.get("PostTypeId") == "2" and post.get("Body", "").strip():
            answers.setdefault(post.get("ParentId", ""), []).append(post)
    whole = [
        name
        for name, question in questions.items()
        if len(answers.get(name, [])) > 1
        and any(a["Id"] == question["AcceptedAnswerId"] for a in answers[name])
    ]
    for name in sorted(whole, key=lambda name: digest(f"{site.name}:{name}"))[:QUESTIONS]:
        yield questions[name], answers[name]


def accepted(dumps: Path, cache: Path | None) -> tuple[list[list[str]], str]:
    """Tell how often a score puts the accepted answer above another to the same question."""
    frame, pairs, sites = accepted_pairs(dumps)
    frame = candidates(frame, cache)
    ours = half(sites)
    questions = [frame["prompt"][one] for one, _ in pairs]
    found = []
    for name, s in lines(frame, left_out=("accepted",)).items():
        won = np.array([(np.sign(s[one] - s[other]) + 1) / 2 for one, other in pairs])
        cells = []
        for rows in (ours, ~ours):
            places = np.flatnonzero(rows)
            clusters = [questions[place] for place in places]
            cells.append(str(estimate_mean(won[places], clusters)))
        found.append([name, *cells])
    names = [sorted(set(np.array(sites)[rows])) for rows in (ours, ~ours)]
    said = (
        f"{len(pairs)} pairs of {len(set(questions))} questions; {int(ours.sum())} of "
        f"{', '.join(names[0])}, {int((~ours).sum())} of {', '.join(names[1])}"
    )
    return found, said


def labelled_pairs(
    folder: Path, cache: Path | None, lm: str | None
) -> tuple[list[str], list[list[str]]]:
    """Return the columns and cells: tie-discounted agreement with the labels of pairs."""
    sets, _ = read_benchmark(folder)
    columns, cells = [], dict[str, list[str]]()
    for name, every in sets.items():
        pairs = by_lot(every, PAIRS)
        columns.append(f"{name.removesuffix('-v1')} ({len(pairs)})")
        for line, values in _agreed(pairs, cache, lm).items():
            cells.setdefault(line, []).append(values)
    return columns, [[line, *values] for line, values in cells.items()]


def by_lot(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Draw pairs by a digest."""
    return sorted(pairs, key=lambda pair: digest(pair.request + pair.first))[:count]


def _agreed(pairs: Sequence[Pair], cache: Path | None, lm: str | None) -> dict[str, str]:
    frame = candidates(texts_of(pairs), cache)
    frame = read_by(frame, lm, cache) if lm else frame
    return {name: agreement(pairs, s) for name, s in lines(frame).items()}


def texts_of(pairs: Sequence[Pair]) -> pl.DataFrame:
    """The two responses of each pair, one after the other."""
    texts = [
        {"prompt": pair.request, "response": text}
        for pair in pairs
        for text in (pair.first, pair.second)
    ]
    return pl.DataFrame(texts)


def agreement(pairs: Sequence[Pair], scores: Floats) -> str:
    """Tie-discounted agreement with people of scores of `texts_of` pairs."""
    raters = min(len(pair.labels) for pair in pairs)
    labels = np.array([pair.labels[:raters] for pair in pairs], np.int64)
    votes = np.sign(scores[0::2] - scores[1::2]).astype(np.int64)
    each = np.stack([tie_discounted(votes, labels[:, n]) for n in range(raters)], axis=1)
    return str(estimate_mean(each.mean(axis=1), [pair.request for pair in pairs]))
