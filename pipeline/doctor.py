"""`thousand doctor`: what is installed and reachable, what is missing, how to get it."""

import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.cores import cores
from pipeline.encoder import find_model
from pipeline.errors import ModelError
from pipeline.recipe import Embed, Judge

PACKAGES = (
    "datasets",
    "sentence-transformers",
    "faiss-cpu",
    "datasketch",
    "polars",
    "prefect",
    "torch",
    "py7zr",
)
_MIN_FREE = 5 << 30  # bytes
_SHOWN = 5  # models of a judge


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` is what to do if it is not `ok`."""

    name: str
    ok: bool
    said: str
    remedy: str = ""
    needed: bool = True


def examine() -> list[Finding]:
    """Look at the installation; nothing is changed and nothing outside is asked."""
    checks: list[Callable[[], list[Finding]]] = [
        _python,
        _packages,
        _model,
        _processor,
        _disk,
        _server,
    ]
    return [finding for check in checks for finding in check()]


def examine_judge(settings: Judge) -> Finding:
    """Ask the judge's endpoint of a recipe for its models; no text is sent, no token is paid."""
    name = "judge"
    if settings.endpoint is None:
        said = "the recipe names no endpoint, so no run asks a judge"
        remedy = "Set judge.endpoint and judge.model if one should."
        return Finding(name, False, said, remedy, needed=False)
    from pipeline.judge.endpoint import Endpoint

    try:
        with closing(Endpoint(settings)) as endpoint:
            models = endpoint.models()
    except ModelError as error:
        said, _, remedy = str(error).partition("; ")
        # What else the sentence says is for somebody whose run broke off.
        return Finding(name, False, said, remedy[:1].upper() + remedy[1:].partition(". ")[0])
    if not models:
        said = (
            f"{settings.endpoint} answers and lists no models; the first call will show whether "
            f"{settings.model} is there"
        )
        return Finding(name, True, said)
    if settings.model not in models:
        listed = ", ".join(models[:_SHOWN]) + (", ..." if len(models) > _SHOWN else "")
        said = f"{settings.endpoint} answers and does not list the model {settings.model}"
        remedy = f"It lists {listed}: name one of them in judge.model, or load it there."
        return Finding(name, False, said, remedy)
    return Finding(name, True, f"{settings.endpoint} answers and has the model {settings.model}")


def render(findings: list[Finding]) -> str:
    """Return a line per finding, and what to do below those that failed."""
    lines = []
    for item in findings:
        mark = "ok" if item.ok else ("MISSING" if item.needed else "-")
        lines.append(f"{mark:<8}{item.name:<24}{item.said}")
        if not item.ok and item.remedy:
            lines.append(f"{'':<32}{item.remedy}")
    return "\n".join(lines)


def _python() -> list[Finding]:
    version = sys.version.split()[0]
    return [
        Finding("python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer.")
    ]


def _packages() -> list[Finding]:
    findings = []
    for name in PACKAGES:
        try:
            version = importlib.metadata.version(name)
            findings.append(Finding(name, True, version))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(name, False, "not installed", "Run `make setup`."))
    return findings


def _model() -> list[Finding]:
    name = Embed().model
    try:
        return [Finding("embedding model", True, f"{name} in {find_model(name).name}")]
    except ModelError as error:
        return [Finding("embedding model", False, name, str(error))]


def _processor() -> list[Finding]:
    import torch

    threads = cores()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return [
        Finding("cores", True, str(threads)),
        Finding(
            "gpu", gpu != "none", gpu, "Not needed; embedding is faster with one.", needed=False
        ),
    ]


def _disk() -> list[Finding]:
    free = shutil.disk_usage(".").free
    said = f"{free / 2**30:.0f} GiB free here"
    return [Finding("disk", free > _MIN_FREE, said, "A run of a large site needs some gigabytes.")]


def _server() -> list[Finding]:
    address = os.environ.get("PREFECT_API_URL", "")
    remedy = "Start `prefect server start` and set PREFECT_API_URL=http://127.0.0.1:4200/api."
    if not address:
        said = "not configured; a run starts one for itself, schedules need one that stays"
        return [Finding("prefect server", False, said, remedy, needed=False)]
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=3):
            return [Finding("prefect server", True, address)]
    except OSError as error:
        return [Finding("prefect server", False, f"{address}: {error}", remedy)]
