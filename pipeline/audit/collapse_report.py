"""Write a comparison of generations, or the check by theory, as a page and as JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.audit import theory
from pipeline.audit.figures import clouds, curve
from pipeline.html.page import number, render
from pipeline.manifest import write_atomic, write_json

TEMPLATE = Path(__file__).with_name("collapse.html")
SIZE, GENERATIONS, RUNS = 100, 5, 20_000
_SHOWN = (0, 5, 20, 50, 100, 200)
_LONG = 30


def check(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the theory; returns its figures, and what the page shows besides."""
    sizes = [SIZE] * GENERATIONS
    simulated = theory.simulate(1.0, sizes, RUNS, seed)
    long = [SIZE] * _LONG
    growing = theory.growing(SIZE, _LONG, 1.5)
    fixed_risk = [round(theory.expected(1.0, long[:n]), 5) for n in range(1, _LONG + 1)]
    growing_risk = [round(theory.expected(1.0, growing[:n]), 5) for n in range(1, _LONG + 1)]
    steps = range(1, _LONG + 1)
    run = theory.mixture(200, _SHOWN[-1], seed, _SHOWN)
    figures = {
        "sigma": 1.0,
        "samples": SIZE,
        "generations": GENERATIONS,
        "exact": round(theory.expected(1.0, sizes), 5),
        "rule": round(theory.rule(1.0, sizes), 5),
        "simulated": round(float(simulated[-1]), 5),
        "runs": RUNS,
        "seed": seed,
        "fixed": fixed_risk,
        "growing": growing_risk,
        "mixture": {
            "generations": run.generations,
            "tail": [round(value, 4) for value in run.tail],
            "spread": [round(value, 4) for value in run.spread],
        },
    }
    exact = [theory.expected(1.0, sizes[:n]) for n in range(1, GENERATIONS + 1)]
    names = [str(n) for n in range(1, GENERATIONS + 1)]
    rises = [("exact", exact), ("simulated", list(map(float, simulated)))]
    names_long = [str(n) for n in steps]
    both = [("as many samples each time", fixed_risk), ("growing", growing_risk)]
    pictures = {
        "recursion": curve(names, rises, "Expected squared distance"),
        "schedules": curve(names_long, both, "Fixed and growing sample sizes"),
        "clouds": clouds(run.generations, run.samples, "A mixture that learns from itself"),
        "tail": [
            (generation, f"{tail:.1%}", number(spread))
            for generation, tail, spread in zip(run.generations, run.tail, run.spread, strict=True)
        ],
    }
    return figures, pictures


def write(
    folder: Path, name: str, found: Mapping[str, Any] | None, seed: int | None
) -> tuple[Path, dict[str, Any]]:
    """Write NAME.html and NAME.json; `seed` asks for the theory as well."""
    folder.mkdir(parents=True, exist_ok=True)
    theory_figures, pictures = check(seed) if seed is not None else (None, None)
    values: dict[str, Any] = {
        "name": name,
        "found": found,
        "curves": _curves(found) if found else [],
        "table": _table(found) if found else [],
        "theory": theory_figures,
        "pictures": pictures,
    }
    page = folder / f"{name}.html"
    write_atomic(page, render(TEMPLATE, values))
    answer = {**(found or {}), **({"theory": theory_figures} if theory_figures else {})}
    write_json(folder / f"{name}.json", answer)
    return page, answer


def _curves(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    lines, levels = found["generations"], found["levels"]
    names = [line["name"].split(".")[0] for line in lines]

    def of(key: str) -> list[float]:
        return [float(line[key]) for line in lines]

    words = [line["effective_words"] / max(lines[0]["effective_words"], 1e-9) for line in lines]
    topics = [line["effective_topics"] / max(lines[0]["effective_topics"], 1e-9) for line in lines]
    return [
        (
            "Rarest rows of the first generation that are covered",
            curve(names, [("covered", of("tail_covered"))], "Tail", levels["min_tail_covered"]),
        ),
        (
            "2-Wasserstein distance to the first generation",
            curve(
                names,
                [("distance", of("distance"))],
                "Distance",
                levels["max_distance"] * found["chance"],
            ),
        ),
        (
            "Effective words, of the first",
            curve(names, [("words", words)], "Words", levels["min_vocabulary"]),
        ),
        (
            "Effective topics, of the first",
            curve(names, [("topics", topics)], "Topics", levels["min_topics"]),
        ),
        ("Spread (trace of the covariance)", curve(names, [("spread", of("spread"))], "Spread")),
        (
            "Share of rows by models",
            curve(names, [("model", of("model_share"))], "Models", levels["max_model_share"]),
        ),
    ]


def _table(found: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (
            line["name"],
            number(line["rows"]),
            f"{line['model_share']:.0%}",
            number(line["distance"], 3),
            number(line["moved"], 3),
            number(line["spread"], 3),
            f"{line['covered']:.0%}",
            f"{line['tail_covered']:.0%}",
            number(line["effective_words"], 0),
            number(line["effective_topics"], 1),
            number(line["vendi"], 1),
        )
        for line in found["generations"]
    ]
