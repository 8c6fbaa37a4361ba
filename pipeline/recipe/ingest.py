"""Which dumps are read, and what of them."""

from typing import Literal

from pydantic import Field

from pipeline.recipe.part import OWN_SEED, Count, Group, Part, Share


class Limits(Part):
    """What a hostile or broken dump may cost before it is refused."""

    max_expanded_bytes: int = Field(
        default=1 << 40, ge=1 << 10, description="Bytes that one compressed file may expand to."
    )
    max_ratio: float = Field(
        default=1000, ge=1, description="Expanded to packed size, checked beyond 64 MiB expanded."
    )
    max_line_bytes: int = Field(
        default=8 << 20, ge=1 << 10, description="Longer lines count as malformed and are skipped."
    )
    max_malformed: Share = Field(
        default=0.01, description="Share of malformed rows in a file above which it is refused."
    )


class StackExchange(Part):
    """Which answers of a Stack Exchange dump become candidates (LIMA section 2.1)."""

    min_votes: int = Field(default=10, description="Votes of the top answer, at least.")
    meta: bool = Field(default=False, description="Read meta sites, too.")
    sites: dict[str, Literal["stem", "other", "skip"]] = Field(
        default_factory=dict, description="Groups of sites, over the shipped table of sites."
    )
    unlisted: Literal["stem", "other", "skip"] = Field(
        default="other", description="The group of a site that no table names."
    )
    closed: bool = Field(default=True, description="Keep answers to closed questions.")
    dialogues: bool = Field(
        default=False, description="Also make multi-turn rows from comment chains (section 6)."
    )


class WikiHow(Part):
    """What of a wikiHow article is kept."""

    tips: bool = Field(default=False, description="Keep tips as a section.")
    warnings: bool = Field(default=False, description="Keep warnings as a section.")
    min_steps: int = Field(default=2, ge=1, description="Articles with fewer steps are left out.")


class Reddit(Part):
    """Which Reddit threads become candidates (LIMA section 2.1)."""

    subreddits: list[str] | None = Field(
        default=["WritingPrompts"],
        description="Subreddits whose best reply is a response; null for all.",
    )
    prompt_subreddits: list[str] | None = Field(
        default=["AskReddit"],
        description="Subreddits whose titles become test prompts; null for all.",
    )
    min_votes: int = Field(default=10, description="Votes of the best reply, at least.")
    min_chars: Count = Field(
        default=0,
        description="Shorter replies are passed over, so that a joke does not cost its thread.",
    )


class Table(Part):
    """Any local JSONL, JSON, Parquet or saved `datasets` folder, with a column mapping."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Goes into ids.")
    path: str = Field(description="File or folder, relative to the dumps folder.")
    group: Group = Field(default="authored", description="The quota that its rows count for.")
    columns: dict[str, str] = Field(
        description="Our column -> theirs; `title` (the prompt) and `response` are needed."
    )
    values: dict[str, str] = Field(
        default_factory=dict, description="Our column -> a value for all rows, such as licence."
    )
    markup: Literal["markdown", "html", "reddit"] = Field(
        default="markdown", description="What the texts are written in."
    )


class Ingest(Part):
    """Which dumps are read, and what of them."""

    stackexchange: StackExchange = StackExchange()
    wikihow: WikiHow = WikiHow()
    reddit: Reddit = Reddit()
    natural_instructions: bool = Field(
        default=True, description="Read Natural Instructions task files."
    )
    authored: bool = Field(default=True, description="Read examples that were written by hand.")
    tables: list[Table] = Field(default=[], description="Further tables, each with its mapping.")
    limits: Limits = Limits()
    on_bad_file: Literal["fail", "skip"] = Field(
        default="fail", description="A file that is damaged or not what its name says."
    )
    seed: int = Field(default=0, description=OWN_SEED)
