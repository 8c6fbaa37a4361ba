"""What a recipe names is looked for before any work."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import CurationError
from pipeline.loading import SHIPPED, load
from pipeline.named import look_for
from pipeline.run import Workspace, curate

WRONG = {
    "embed.model=no-such-model": "There is no embedding model 'no-such-model'",
    "score.lm.model=no-such-model": "There is no language model 'no-such-model'",
    "embed.device=abacus": "embed.device: Torch cannot use the device 'abacus'",
    "score.lm.device=cuda:99": "score.lm.device: Torch cannot use the device 'cuda:99'",
    "score.learned=no/such/folder": "holds no learned score",
    "contamination.against=[no/such/set.jsonl]": "There is no evaluation set no/such/set.jsonl",
    "filter.reddit.languages=[en, xx]": "filter.reddit.languages: 'xx' is no language",
    "gates.languages=[EN]": "Did you mean 'en'",
}


@pytest.mark.parametrize("setting", WRONG)
def test_a_wrong_name_is_told_before_any_work_and_by_check(setting: str, tmp_path: Path):
    recipe = load("sample", [setting])
    with pytest.raises(CurationError, match=WRONG[setting].replace(".", r"\.")):
        curate(recipe, Path("data/sample"), Workspace(tmp_path))
    assert not list(tmp_path.iterdir())
    ran = CliRunner().invoke(app, ["recipe", "check", "sample", "--set", setting])
    assert WRONG[setting] in str(ran.exception)
    assert getattr(ran.exception, "exit_status", None) == 2


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_name_what_is_there(name: str):
    look_for(load(name, ["filter.stackexchange.languages=[en, de, zh, gom]"]))


def test_no_language_at_all_is_no_rule():
    with pytest.raises(CurationError, match="languages"):
        load("sample", ["filter.reddit.languages=[]"])
