"""The commands `recipe show`, `recipe schema` and `recipe check`."""

import typer

from pipeline.cli.words import RecipeName, Settings, print_json
from pipeline.errors import CurationError, RecipeError
from pipeline.loading import load
from pipeline.recipe import Recipe


def show(recipe: RecipeName = "lima", setting: Settings = None) -> None:
    """Print the recipe with every default filled in, as YAML."""
    import yaml

    value = load(recipe, list(setting or [])).model_dump(mode="json")
    typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100).rstrip())


def schema() -> None:
    """Print the JSON Schema of recipes."""
    print_json(Recipe.model_json_schema())


def check(recipe: RecipeName = "lima", setting: Settings = None) -> None:
    """Check a recipe and what it names; prints its errors and ends with status 2 if it has any."""
    from pipeline.named import look_for

    resolved = load(recipe, list(setting or []))
    try:
        look_for(resolved)
    except CurationError as error:
        raise RecipeError(str(error)) from error
    typer.echo(
        f"{resolved.name}: sound; {sum(resolved.select.train_quotas.values())} training rows"
    )
