"""Who judges, how it is asked, and what that may cost."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from pipeline.recipe.part import Count, Part, Share

Scale = Literal["likert6", "accuracy5"]


class Judge(Part):
    """A language model that scores rows; off unless an endpoint is named.

    Example: `judge: {endpoint: "http://127.0.0.1:8080/v1", model: qwen3-32b}`. The text of the rows
    is sent there.
    """

    endpoint: str | None = Field(
        default=None,
        min_length=1,
        description="Base URL of an OpenAI-compatible API (http://127.0.0.1:8080/v1); null: off.",
    )
    model: str | None = Field(
        default=None, min_length=1, description="The model's name, as the endpoint knows it."
    )
    key_variable: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds the key; null: no key is sent.",
    )
    scale: Scale = Field(
        default="likert6",
        description="likert6: helpfulness, 1 to 6 (LIMA, section 5). accuracy5: accuracy, 0 to 5 "
        "(AlpaGasus).",
    )
    style: Literal["brief", "reasoned"] = Field(
        default="brief", description="The verdict alone, or a short weighing and then the verdict."
    )
    prefill: bool = Field(
        default=False,
        description="Begin the reply with the word Verdict, where the endpoint goes on from there "
        "(llama.cpp does): a small model then gives a verdict instead of prose.",
    )
    min_mass: Share = Field(
        default=0.5,
        description="With prefill, where no verdict is written: take the expected one if all "
        "verdicts together have this probability there.",
    )
    logprobs: bool = Field(
        default=True,
        description="Ask for token probabilities, and take the expected score where they come.",
    )
    max_chars: int = Field(
        default=12_000, ge=200, description="Of each text; the middle of a longer one is left out."
    )
    max_reply_tokens: int | None = Field(
        default=None, ge=4, description="Of a reply; null: 24 for brief, 700 for reasoned."
    )
    rows_per_group: Count = Field(
        default=400,
        description="Rows of each group that a run judges, those with most votes first.",
    )
    safety: bool = Field(
        default=False,
        description="Ask of each row of the pool whether it does harm, too; one that does, or of "
        "which the judge says neither yes nor no, leaves (unsafe).",
    )
    budget_calls: int | None = Field(
        default=None, ge=1, description="Calls that the judge may cost, at most."
    )
    budget_tokens: int | None = Field(
        default=None, ge=1, description="Tokens, of prompts and replies, at most."
    )
    concurrency: int = Field(default=4, ge=1, le=256, description="Calls at the same time.")
    timeout_seconds: float = Field(
        default=120, gt=0, description="The longest silence of one call."
    )
    tries: int = Field(
        default=6, ge=1, le=20, description="Of one call, if it is refused for now or breaks."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.endpoint is None:
            if self.safety:
                raise ValueError("safety needs a judge: name one in endpoint and model")
            return self
        parts = urlsplit(self.endpoint)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        if not sound or any(letter.isspace() for letter in self.endpoint):
            raise ValueError(
                f"{self.endpoint!r} is no base URL such as http://127.0.0.1:8080/v1 for an endpoint"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "the endpoint must hold no key, user or query, since it is written into the "
                "release; name the variable that holds the key in key_variable"
            )
        if self.prefill and self.style != "brief":
            raise ValueError("prefill belongs to the style brief: it leaves no room to reason")
        if self.model is None:
            raise ValueError("an endpoint needs the name of a model")
        return self

    @property
    def reply_tokens(self) -> int:
        """What a reply may hold at most."""
        return self.max_reply_tokens or (24 if self.style == "brief" else 700)
