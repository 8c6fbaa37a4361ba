"""What a recipe names and a run will need, looked for before any work.

Each stage looks again at what it uses. Here a name that is wrong is told in the first second, and
not by the last stage of an hour.
"""

import difflib
from pathlib import Path

from filters.language import known_languages
from pipeline import encoder
from pipeline.contamination.stages import set_digests
from pipeline.errors import ModelError, RecipeError
from pipeline.lm import find
from pipeline.lm.states import check_reading
from pipeline.recipe import Recipe
from pipeline.score import learned


def look_for(recipe: Recipe) -> None:
    """Raise a CurationError for a model, a file or a language that is not there, or does not fit."""
    _check_languages(recipe)
    encoder.find_model(recipe.embed.model)
    _check_device("embed", recipe.embed.device)
    _check_device("score.lm", recipe.score.lm.device)
    set_digests(recipe.contamination)
    if recipe.score.lm.model:
        find.find_model(recipe.score.lm.model)
    if recipe.score.learned:
        model = learned.load(Path(recipe.score.learned))
        learned.check_embedding(model, recipe.embed)
        if model.reading:
            check_reading(model.reading)


def _check_device(place: str, device: str) -> None:
    if device in ("auto", "cpu"):  # which need no torch to be loaded
        return
    try:
        encoder.resolve_device(device)
    except ModelError as error:
        raise RecipeError(f"{place}.device: {error}") from error


def _check_languages(recipe: Recipe) -> None:
    named = {f"filter.{name}": rules.languages for name, rules in recipe.filter}
    named["gates"] = recipe.gates.languages
    asked = {(place, code) for place, codes in named.items() for code in codes or ()}
    if all(code == "en" for _, code in asked):  # what nearly every recipe says costs nothing
        return
    for place, code in sorted(asked):
        if code not in known_languages():
            near = difflib.get_close_matches(code.lower(), known_languages(), 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise RecipeError(
                f"{place}.languages: {code!r} is no language that can be told; give codes such as 'en', 'de' or "
                f"'zh'.{hint}"
            )
