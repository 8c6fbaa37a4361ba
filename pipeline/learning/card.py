"""What a learned score says of itself: `README.md` beside its arrays."""

from collections.abc import Mapping
from typing import Any

from pipeline.learning.measures import Figure


def render(about: Mapping[str, Any]) -> str:
    """Write the card from what `model.json` holds."""
    trained, measured = about["trained_on"], about["measured"]
    files = "\n".join(f"| {file['name']} | {file['sha256']} |" for file in trained["files"])
    table = "\n".join(
        f"| {row['score']:.3f} | {row['label']:.3f} | {row['rows']} |"
        for row in measured["reliability"]
    )
    figures = "\n".join(
        f"| {name} | {_figure(value['learned'])} | {_figure(value['length'])} |"
        for name, value in measured["figures"].items()
    )
    warnings = "".join(f"**Warning.** {sentence}\n\n" for sentence in about["warnings"])
    read_by = about.get("language_model")
    sees = "It sees counts of words and marks, and how near the vectors of both texts are."
    if read_by:
        sees = (
            "It sees counts of words and marks, how near the vectors of both texts are, and what leaves layers "
            f"{' and '.join(map(str, read_by['layers']))} of `{read_by['model']}` while that reads the response (SHA-256 of the model "
            f"`{read_by['digest']}`, {read_by['max_tokens']} tokens of prompt and response, in {read_by['dtype']})."
        )
    return f"""# A learned score

Trained by `thousand learn` on {trained["rows"]:,} rows of {trained["groups"]} groups ({trained["grouped_by"]}),
labels {trained["labels"]}, fit by `{about["embedding"]["model"]}` (`embed.max_tokens` {about["embedding"]["max_tokens"]}), seed {about["seed"]}. The recipe names it:
`score.learned: <this folder>`.

| file | SHA-256 |
|---|---|
{files}

## How good it is

On rows of groups that the model did not see while it was trained ({measured["folds"]} folds; the final model is
trained on all rows). Intervals are of 95 %, by drawing whole groups. Length alone stands beside it.

| figure | learned | length alone |
|---|---|---|
{figures}

{warnings}Calibration, on the same rows: the mean score of each tenth beside the mean label. Expected calibration error
{measured["calibration_error"]:.3f} on the scale of the labels.

| mean score | mean label | rows |
|---|---|---|
{table}

## What that does not show

It is measured on rows like those that it learned from. On another kind of text, or where good meant something
else to those who labelled, it may rank rows badly: look at what it puts first and last before you give it weight.
{sees}
It cannot tell true from false.
"""


def _figure(value: Mapping[str, Any]) -> str:
    return str(Figure(**value))
