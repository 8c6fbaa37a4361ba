"""Recipes: what is shipped, what is refused and how that is said."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import RecipeError
from pipeline.loading import SHIPPED, load
from pipeline.recipe import Recipe, Select


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_sound(name: str) -> None:
    assert load(name).name == name


def test_lima_is_as_published() -> None:
    lima = load("lima")
    assert lima.select.train_quotas == {
        "stem": 200,
        "other": 200,
        "wikihow": 200,
        "reddit": 150,
        "natural_instructions": 50,
        "authored": 200,
    }
    assert sum(lima.select.validation.values()) == 50
    assert lima.select.test == {"reddit": 70, "authored": 230}
    rules = lima.filter.stackexchange
    assert (rules.min_chars, rules.max_chars, rules.max_first_person) == (1200, 4096, 0)
    assert lima.ingest.stackexchange.min_votes == 10
    assert lima.select.temperature == 3


def test_the_defaults_are_lima() -> None:
    written, bare = load("lima"), Recipe()
    for part in ("ingest", "clean", "filter", "select"):
        assert getattr(written, part) == getattr(bare, part)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("filtr.x=1", "filtr: unknown key, did you mean 'filter'?"),
        ("filter.stackexchange.min_char=1", "did you mean 'min_chars'?"),
        ("select.quotas.stm=3", "'stm' is no group; groups are stem, other"),
        ("filter.stackexchange.min_chars=abc", "filter.stackexchange.min_chars: Input should be"),
        ("filter.stackexchange.min_chars=9000", "min_chars 9000 is above max_chars 4096"),
        ("select.quotas={}", "select: the quotas sum to 0"),
        ("select.quotas.stem=-3", "greater than or equal to 0 (got -3)"),
        ("select.method=best", "'lima', 'quality_diversity'"),
        ("dedup=3", "dedup: Input should be a valid dictionary"),
        ("dedup.threshold", "write it as part.field=value"),
        ("judge.safety=true", "judge: safety needs a judge"),
        ("name=../../etc", "name: String should match pattern"),
        ("score.weights.votes=.inf", "score.weights.votes: Input should be a finite number"),
        ("score.lm={model: m, machine_text_limits: {redit: 4}}", "'redit', which is no source"),
        ("score.lm.machine_text_limits={a: .nan}", "limits.a: Input should be a finite number"),
        ("dedup.threshold=-.inf", "dedup.threshold: Input should be"),
        ("score.weights={votes: 0, accepted: 0, structure: 0, length: 0, fit: 0}", "all weights"),
    ],
)
def test_a_wrong_recipe_is_refused_with_path_value_and_what_is_allowed(
    override: str, said: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        load("lima", [override])
    assert said in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Did you mean 'lima'"):
        load("lmia")
    path = tmp_path / "mine.yaml"
    path.write_text("- a list")
    with pytest.raises(RecipeError, match="a recipe is a mapping of keys, not list"):
        load(path)
    path.write_text("filter: {reddit: {written_before: 2022-13-01}}")
    with pytest.raises(RecipeError, match=r"mine\.yaml is not valid YAML: month must be in 1"):
        load(path)
    path.write_text("a: [1,")
    with pytest.raises(RecipeError, match=r"mine\.yaml is not valid YAML"):
        load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not a text file in UTF-8"):
        load(path)


def test_all_stages_take_the_seed_unless_they_have_their_own() -> None:
    recipe = load("lima", ["cluster.seed=7"], seed=5)
    assert (recipe.clean.seed, recipe.select.seed, recipe.cluster.seed) == (5, 5, 7)


def test_recipes_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load("lima").seed = 3  # type: ignore[misc]


@given(
    st.dictionaries(st.sampled_from(["stem", "other", "wikihow", "reddit"]), st.integers(0, 999)),
    st.integers(1, 5000),
)
def test_scaled_quotas_sum_to_the_size(quotas: dict[str, int], size: int) -> None:
    if not sum(quotas.values()):
        return
    scaled = Select(quotas=quotas, size=size).train_quotas
    assert sum(scaled.values()) == size
    for group, count in quotas.items():
        assert abs(scaled[group] - count * size / sum(quotas.values())) < 1


def test_one_rule_of_a_source_leaves_its_others_as_they_are() -> None:
    changed = load("lima", ["filter.wikihow.min_chars=300"]).filter
    default = load("lima").filter
    assert changed.wikihow == default.wikihow.model_copy(update={"min_chars": 300})
    assert changed.stackexchange == default.stackexchange
    assert load("lima", ["filter.wikihow.languages=null"]).filter.wikihow.languages is None
