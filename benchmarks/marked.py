"""Put what a command measured between its marks in a document, so that one command makes it."""

from pathlib import Path

END = "<!-- end: measured -->"


def put(page: Path, command: str, text: str) -> None:
    """Replace what stands between the mark of a command and the end; the rest stays."""
    mark = f"<!-- measured: {command} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(mark)
    if not found or END not in rest:
        raise SystemExit(f"{page} has no marks {mark} and {END}.")
    after = rest.partition(END)[2]
    page.write_text(f"{before}{mark}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    out = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*out, *("| " + " | ".join(row) + " |" for row in rows)])


def share(part: int, whole: int) -> str:
    """Write a count with its whole and its share."""
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else "none"
