"""The documents say what the code does: commands, options, fields, codes, links, examples."""

import importlib.util
import itertools
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
import typer.main

from pipeline.audit import Audit
from pipeline.cli import app
from pipeline.dedup_files import dedup_files
from pipeline.doctor import Finding
from pipeline.explain import Chapter, Story
from pipeline.fetch import Fetched
from pipeline.judge.asking import Bill
from pipeline.judge.pointwise import TABLE as MARKS
from pipeline.judge.report import Report as Judged
from pipeline.judge.report import of_grades
from pipeline.lm.report import Scored
from pipeline.lm.score import SCORES
from pipeline.prune import Pruned
from pipeline.recipe import Dedup, Judge
from pipeline.record import GROUPS, REASONS
from pipeline.release.decisions import COLUMNS
from pipeline.release.diff import Change, Diff, Edit, Move
from pipeline.release.publish import Published
from pipeline.release.verify import Report
from pipeline.run import Result
from pipeline.score.breakdown import Share

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "data" / "sample" / "README.md"]
    if path.name != "cleaning.md"  # cases of markup, with links and commands that are none
)
COMMAND_PAGES = [page for page in PAGES if page.parent in (ROOT, DOCS)]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = load_generator()
CLI = dict(GENERATE.walk(typer.main.get_command(app), "thousand"))
REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")


def blocks(text: str, kinds: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of the fenced blocks of a page."""
    for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if kind in kinds:
            yield kind, body


# The reference


def test_generated_parts_are_up_to_date():
    assert GENERATE.fill(REFERENCE) == REFERENCE, "run: python docs/generate.py"


@pytest.mark.parametrize("words", CLI)
def test_every_command_and_option_is_in_the_reference(words: str):
    section = REFERENCE.split(f"### {words}\n", 1)[1].split("\n### ", 1)[0]
    for parameter in CLI[words].params:
        assert parameter.help, f"{words}: {parameter.name} has no help"
        names = parameter.opts if parameter.opts[0].startswith("-") else [parameter.name.upper()]
        if not parameter.opts[0].startswith("-") and parameter.metavar:
            names = [parameter.metavar]
        for name in names:
            assert f"`{name}" in section


def test_every_command_says_what_it_does():
    assert all(command.help for command in CLI.values())


def test_every_recipe_field_is_in_the_reference_with_its_meaning():
    from pipeline.recipe import Recipe

    for path, field in GENERATE.fields(Recipe):
        assert field.description, f"{path} has no description"
        assert f"| `{path}` |" in REFERENCE


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_code_has_its_line(code: str):
    assert REFERENCE.count(f"| `{code}` | {REASONS[code]} |") == 1


def test_every_group_is_named():
    assert all(f"`{group}`" in REFERENCE for group in GROUPS)


def test_the_keys_of_json_answers_are_in_the_reference(tmp_path: Path):
    (tmp_path / "texts.jsonl").write_text('{"id": "a", "text": "b"}\n')
    change = Change("id", "stem", "train", "title", None, "reason", "detail")
    edit = Edit("id", "stem", "train", "title", [], "reason", "detail")
    move = Move("id", "stem", "train", "title", "validation")
    table = pl.DataFrame({"passed": [True], "reason": [None]}, schema_overrides={"reason": str})
    marks, bill = pl.DataFrame(schema=MARKS), Bill().to_json()
    answers: dict[str, dict[str, Any]] = {
        "run": Result("", "", 0, {}, {}, [], 0.0, []).to_json(),
        "dedup": dedup_files([tmp_path / "texts.jsonl"], tmp_path / "out", Dedup()),
        "audit": Audit(Path(), table, {}).to_json(),
        "score": Scored(
            Path(), "m", "float32", "cpu", 384, pl.DataFrame(schema=SCORES), pl.Series(), 0.0
        ).to_json(),
        "judge": Judged("grade", Judge(), 0, 0, {}, of_grades(marks, Judge()), bill, {}).to_json(),
        "verify": Report("r").to_json(),
        "diff": Diff("a", "b", [change], [], [edit], [move], 0, {}).to_json(),
        "publish": Published("r", "t", [{"path": "", "size": 0, "sha256": ""}]).to_json(),
        "prune": Pruned(True, [{"path": "", "bytes": 0, "days": 0}], []).to_json(),
        "fetch-dumps": {"files": [vars(Fetched("n", "p", 0, "s", False))]},
        "explain": Story(
            "r", [Chapter("score", "passed", [], [Share("p", 1.0, 1.0, 1.0, 1.0, 1.0)])], []
        ).to_json(),
        "doctor": {"ok": True, "checks": [vars(Finding("n", True, "s"))]},
    }
    section = REFERENCE.split("### What --json prints", 1)[1].split("\n## ", 1)[0]
    for command, answer in answers.items():
        text = section.split(f"`thousand {command}`:", 1)[1].split("\n\n`thousand", 1)[0]
        keys = set(answer)
        for value in answer.values():
            inner = value[0] if isinstance(value, list) and value else value
            keys |= set(inner) if isinstance(inner, dict) else set()
        assert not [key for key in keys if f"`{key}`" not in text], command


def test_the_columns_of_tables_are_in_the_reference():
    for name in (*GENERATE.release_columns(), *COLUMNS):
        assert f"`{name}`" in REFERENCE


# Commands and make targets in the text


def commands_in(page: Path) -> list[str]:
    """Find the lines that call thousand: in code blocks, and in the text between backticks."""
    text = page.read_text(encoding="utf-8")
    found = []
    for _, body in blocks(text, ("", "bash", "sh", "console", "shell")):
        for line in body.replace("\\\n", " ").splitlines():
            words = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if words.startswith("thousand "):
                found.append(words)
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return found + re.findall(r"`(thousand [^`\n]+)`", plain)


@pytest.mark.parametrize("page", COMMAND_PAGES, ids=name_of)
def test_commands_in_the_text_exist(page: Path):
    for line in commands_in(page):
        words = [word.split("#")[0] for word in shlex.split(line, comments=True)]
        depth = 3 if words[1] == "recipe" and len(words) > 2 else 2
        called = " ".join(words[:depth])
        if called == "thousand recipe" or words[1].startswith("-"):
            continue
        assert called in CLI, f"{name_of(page)}: {line}"
        known = {name for parameter in CLI[called].params for name in parameter.opts}
        known |= {"--help", "-h", "--debug"}
        for word in words[depth:]:
            if word.startswith("-"):
                assert word.split("=")[0] in known, f"{name_of(page)}: {line}: {word}"


@pytest.mark.parametrize("page", COMMAND_PAGES, ids=name_of)
def test_recipe_fields_that_are_set_in_the_text_exist(page: Path):
    from pipeline.loading import load

    for line in commands_in(page):
        words = shlex.split(line, comments=True)
        settings = [after for word, after in itertools.pairwise(words) if word == "--set"]
        settings = [setting for setting in settings if "=" in setting and "KEY" not in setting]
        if settings and not any("a.b" in setting for setting in settings):
            load("lima", settings)


@pytest.mark.parametrize("page", COMMAND_PAGES, ids=name_of)
def test_recipes_in_the_text_are_sound(page: Path):
    import yaml

    from pipeline.loading import parse

    for _, body in blocks(page.read_text(encoding="utf-8"), ("yaml",)):
        value = yaml.safe_load(body)
        if isinstance(value, dict) and "name" in value:
            parse(value, name_of(page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_in_the_text_exist(page: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`make ([a-z-]+)", text) + re.findall(r"^make ([a-z-]+)", text, re.M)
    assert set(named) <= targets


# Links and paths


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path):
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`\n]*`", "", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), f"{name_of(page)}: {target}"
        if anchor:
            assert anchor in anchors(goal), f"{name_of(page)}: {target}"


def anchors(page: Path) -> set[str]:
    """Name the headings of a page as the usual viewers do."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_in_the_text_exist(page: Path):
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    folders = "pipeline|filters|flows|docs|tests|benchmarks"
    for named in re.findall(rf"`((?:{folders})/[\w./-]+\.(?:py|md|csv|yaml))`", text):
        assert (ROOT / named).exists(), f"{name_of(page)}: {named}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_path_of_a_machine(page: Path):
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"(?<![\w.])/(?:home|root|Users|work|tmp|mnt|opt|var)/\S*", text)


# The examples of extend.md


def test_the_examples_of_extend_run(tmp_path: Path):
    for package in ("pipeline", "filters", "flows"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    for name in ("pyproject.toml", "tests/conftest.py", "tests/pipeline/conftest.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "tests" / "test_layers.py", tmp_path / "tests" / "test_layers.py")
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "data" / "sample")
    tests, new = ["tests/test_layers.py"], []
    for kind, body in blocks((DOCS / "extend.md").read_text(encoding="utf-8"), ("python", "diff")):
        head, _, code = body.partition("\n")
        target = tmp_path / head.removeprefix("# ")
        if kind == "diff":
            target.write_text(patched(target.read_text(encoding="utf-8"), code), encoding="utf-8")
            continue
        assert not target.exists(), head
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(code, encoding="utf-8")
        (tests if head.startswith("# tests/") else new).append(head.removeprefix("# "))
    assert len(tests) == 6
    assert len(new) == 5
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    run = subprocess.run(
        [*call, "-k", "not come_from"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    ruff = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", *new, *tests],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ruff.returncode == 0, ruff.stdout


def patched(text: str, diff: str) -> str:
    """Apply one hunk without line numbers; its old lines must stand in the text exactly once."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    made = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(old) == 1, f"found {text.count(old)} times:\n{old}"
    return text.replace(old, made)


def test_the_tables_of_the_benchmarks_are_those_of_what_was_measured():
    from benchmarks import report

    written = {
        ROOT / "README.md": ("benchmarks", report.table()),
        DOCS / "speed.md": ("benchmarks", f"{report.table()}\n\n{report.ways_table()}"),
        DOCS / "scale.md": ("scale", report.scale_table()),
    }
    for page, (name, text) in written.items():
        assert f"<!-- generated: {name} -->\n{text}\n<!-- end: {name} -->" in page.read_text(
            encoding="utf-8"
        ), f"{page.name} is old: python -m benchmarks table --write"
