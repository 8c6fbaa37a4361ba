"""Read a recipe: a shipped name or a YAML file, with `--set key=value` on top.

Every error names the field's path, the value that was given and what is allowed.
"""

import difflib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.errors import RecipeError
from pipeline.recipe import Part, Recipe

SHIPPED = ("lima", "relaxed", "sample")


class _UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key which stands twice, where the standard one takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f"the key {twice!r} stands twice in the mapping from line {line}")
        return super().construct_mapping(node, deep)


def load(
    name: str | Path = "lima",
    overrides: Sequence[str] = (),
    *,
    size: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """Load a shipped recipe by name or any by file, with `a.b=c` overrides (values are YAML).

    Raises RecipeError with the path of each bad field, its value and what is allowed.
    """
    value, origin = _read(name)
    for override in overrides:
        _apply(value, override)
    if size is not None:
        _apply(value, f"select.size={size}")
    if seed is not None:
        value["seed"] = seed
    return parse(value, origin)


def parse(value: object, origin: str) -> Recipe:
    """Check a recipe's values; `origin` names them in the error."""
    if not isinstance(value, dict):
        raise RecipeError(f"{origin}: a recipe is a mapping of keys, not {type(value).__name__}.")
    try:
        recipe = Recipe.model_validate(value)
    except ValidationError as error:
        raise RecipeError(f"{origin}: " + "; ".join(_explain(error))) from error
    return _spread_seed(recipe)


def _spread_seed(recipe: Recipe) -> Recipe:
    """Give each stage that draws the recipe's seed, unless the recipe sets its own."""
    parts: dict[str, Part] = {}
    for name in ("ingest", "clean", "cluster", "select"):
        part: Part = getattr(recipe, name)
        if "seed" not in part.model_fields_set:
            parts[name] = part.model_copy(update={"seed": recipe.seed})
    return recipe.model_copy(update=parts)


def _read(name: str | Path) -> tuple[dict[str, Any], str]:
    if str(name) in SHIPPED:
        text = resources.files("pipeline.recipes").joinpath(f"{name}.yaml").read_text("utf-8")
        origin = str(name)
    else:
        path = Path(name)
        if not path.is_file():
            close = difflib.get_close_matches(str(name), SHIPPED, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise RecipeError(
                f"There is no recipe {str(name)!r}: give a file or one of {', '.join(SHIPPED)}.{hint}"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise RecipeError(f"{path} is not a text file in UTF-8 ({error}).") from error
        origin = str(path)
    try:
        value = yaml.load(text, _UniqueKeys)
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise RecipeError(f"{origin} is not valid YAML: {error}".replace("\n", " ")) from error
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise RecipeError(f"{origin}: a recipe is a mapping of keys, not {type(value).__name__}.")
    return value, origin


def _apply(value: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(f"--set {override!r}: write it as part.field=value.")
    try:
        parsed = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"--set {override!r}: the value is not valid YAML.") from error
    node = value
    for key in keys[:-1]:
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            raise RecipeError(f"--set {override!r}: {key!r} is a value, it has no fields below it.")
        node = child
    node[keys[-1]] = parsed


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"] if part != "[key]") or "recipe"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            known = _fields_at(item["loc"][:-1])
            close = difflib.get_close_matches(str(item["loc"][-1]), known, 1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            message = f"unknown key{hint} (allowed: {', '.join(known)})"
            lines.append(f"{path}: {message}")
            continue
        if isinstance(item["input"], dict):  # about several fields; the message names them
            lines.append(f"{path}: {message}")
            continue
        given = json.dumps(item["input"], default=str, ensure_ascii=False)
        lines.append(f"{path}: {message} (got {given[:80]})")
    return lines


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in location:
        annotation = model.model_fields[str(part)].annotation if isinstance(part, str) else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return list(model.model_fields)
