"""Surface features: what can be counted in a prompt and its response without understanding them.

Input: `prompt` and `response` as Markdown or plain text. Output: one column of numbers for each name
in FEATURES, none of them null. Rates are for each word, so that length stands in its own features
alone. They are evidence for a learned scorer, which weighs them; none is quality by itself.
"""

from collections.abc import Mapping

import polars as pl

_WORD = r"[\p{L}\p{N}_'’]+"
_FENCE = r"(?s)```.*?(?:```|\z)"

# Runs of words that stand for a manner of writing; matched as whole words, whatever their case.
_MANNERS: Mapping[str, tuple[str, ...]] = {
    "first_person": ("i", "my", "me", "mine", "i'm", "i've", "i'd", "i'll"),
    "second_person": ("you", "your", "you're", "you'll", "yourself"),
    "we": ("we", "our", "us", "let's"),
    "hedges": (
        "maybe", "perhaps", "probably", "possibly", "seems", "guess", "think", "might", "afaik",
        "imho", "not sure", "kind of", "sort of", "i believe",
    ),
    "reasons": ("because", "since", "therefore", "thus", "hence", "so that", "reason", "why"),
    "contrasts": ("but", "however", "although", "though", "whereas", "instead", "unless"),
    "examples": ("for example", "for instance", "e.g", "such as", "like this", "namely"),
    "steps": ("first", "then", "next", "finally", "after", "before", "once", "step"),
    "advice": ("should", "must", "need to", "have to", "try", "make sure", "can", "could"),
    "thanks": ("thanks", "thank you", "please", "hope this helps", "good luck", "cheers"),
    "asides": ("edit", "update", "comment", "above", "below", "as mentioned", "op"),
}  # fmt: skip

# Features of the response, then of the prompt, then of both together.
FEATURES = (
    "chars_log",
    "words_log",
    "word_chars",
    "sentence_words",
    "paragraphs",
    "paragraph_words",
    "list_items",
    "headings",
    "emphasis",
    "quotes",
    "links",
    "code_share",
    "inline_code",
    "formulas",
    "digits",
    "capitals",
    "punctuation",
    "commas",
    "parentheses",
    "questions",
    "exclamations",
    "ends_whole",
    "begins_capital",
    "distinct_words",
    "long_words",
    *_MANNERS,
    "prompt_chars_log",
    "prompt_questions",
    "prompt_code_share",
    "prompt_word_chars",
    "prompt_capitals",
    "prompt_is_how",
    "prompt_is_what",
    "prompt_is_why",
    "prompt_is_yes_no",
    "prompt_words_answered",
    "response_words_asked",
    "length_ratio",
)


def surface(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the features of each row, in its order; a null text counts as an empty one."""
    texts = frame.select(
        prompt=pl.col("prompt").fill_null(""), response=pl.col("response").fill_null("")
    )
    texts = texts.with_columns(
        r=_plain("response"),
        p=_plain("prompt"),
    ).with_columns(
        rw=_words("r"),
        pw=_words("p"),
        sentences=pl.col("r").str.count_matches(r"[.!?…](?:\s|$)") + 1,
    )
    texts = texts.with_columns(rn=pl.col("rw").list.len(), pn=pl.col("pw").list.len())
    texts = texts.with_columns(rd=pl.col("rw").list.unique(), pd=pl.col("pw").list.unique())
    r, rn = pl.col("response"), pl.max_horizontal(pl.col("rn"), pl.lit(1))
    plain, chars = pl.col("r"), pl.max_horizontal(pl.col("r").str.len_chars(), pl.lit(1))
    prompt, opening = pl.col("prompt"), pl.col("p").str.to_lowercase().str.head(200)
    common = pl.col("rd").list.set_intersection("pd").list.len()
    columns: dict[str, pl.Expr] = {
        "chars_log": r.str.len_chars().log1p(),
        "words_log": pl.col("rn").log1p(),
        "word_chars": pl.col("rw").list.eval(pl.element().str.len_chars()).list.mean().fill_null(0),
        "sentence_words": rn / pl.col("sentences"),
        "paragraphs": (r.str.count_matches(r"\n\s*\n") + 1).log1p(),
        "paragraph_words": (rn / (r.str.count_matches(r"\n\s*\n") + 1)).log1p(),
        "list_items": r.str.count_matches(r"(?m)^[ \t]*(?:[-*+•]|\d{1,2}[.)])\s").log1p(),
        "headings": r.str.count_matches(r"(?m)^#{1,6}\s").log1p(),
        "emphasis": r.str.count_matches(r"\*\*[^*\n]+\*\*|\*[^*\n]+\*").log1p(),
        "quotes": r.str.count_matches(r'(?m)^>|["“”]').log1p(),
        "links": r.str.count_matches(r"https?://|www\.").log1p(),
        "code_share": _code_share(r),
        "inline_code": r.str.count_matches(r"`[^`\n]+`").log1p(),
        "formulas": r.str.count_matches(r"\$[^$\n]+\$").log1p(),
        "digits": plain.str.count_matches(r"\d") / chars,
        "capitals": plain.str.count_matches(r"\p{Lu}") / chars,
        "punctuation": plain.str.count_matches(r"[^\p{L}\p{N}\s]") / chars,
        "commas": plain.str.count_matches(",", literal=True) / rn,
        "parentheses": plain.str.count_matches("(", literal=True) / rn,
        "questions": plain.str.count_matches("?", literal=True) / pl.col("sentences"),
        "exclamations": plain.str.count_matches("!", literal=True) / pl.col("sentences"),
        "ends_whole": r.str.strip_chars_end().str.contains(r"[.!?:)\]`\"”]$"),
        "begins_capital": r.str.strip_chars_start().str.contains(r"^[^\p{Ll}]"),
        "distinct_words": pl.col("rd").list.len() / rn,
        "long_words": pl.col("rw").list.eval(pl.element().str.len_chars() > 7).list.sum() / rn,
        **{name: _rate(words, rn) for name, words in _MANNERS.items()},
        "prompt_chars_log": prompt.str.len_chars().log1p(),
        "prompt_questions": pl.col("p").str.count_matches("?", literal=True).log1p(),
        "prompt_code_share": _code_share(prompt),
        "prompt_word_chars": pl.col("pw")
        .list.eval(pl.element().str.len_chars())
        .list.mean()
        .fill_null(0),
        "prompt_capitals": pl.col("p").str.count_matches(r"\p{Lu}")
        / pl.max_horizontal(pl.col("p").str.len_chars(), pl.lit(1)),
        "prompt_is_how": opening.str.contains(r"\bhow\b"),
        "prompt_is_what": opening.str.contains(r"\b(?:what|which|who|where|when)\b"),
        "prompt_is_why": opening.str.contains(r"\bwhy\b"),
        "prompt_is_yes_no": opening.str.contains(
            r"^\W*(?:is|are|was|do|does|did|can|could|should|will|would|has|have)\b"
        ),
        "prompt_words_answered": common / pl.max_horizontal(pl.col("pd").list.len(), pl.lit(1)),
        "response_words_asked": common / pl.max_horizontal(pl.col("rd").list.len(), pl.lit(1)),
        "length_ratio": pl.col("rn").log1p() - pl.col("pn").log1p(),
    }
    return texts.select(columns[name].cast(pl.Float64).alias(name) for name in FEATURES)


def _plain(name: str) -> pl.Expr:
    """The text without fenced code and addresses."""
    text = pl.col(name).str.replace_all(_FENCE, " ")
    return text.str.replace_all(r"https?://\S+", " ")


def _words(name: str) -> pl.Expr:
    return pl.col(name).str.to_lowercase().str.extract_all(_WORD)


def _code_share(text: pl.Expr) -> pl.Expr:
    chars = pl.max_horizontal(text.str.len_chars(), pl.lit(1))
    return 1 - text.str.replace_all(_FENCE, "").str.len_chars() / chars


def _rate(words: tuple[str, ...], count: pl.Expr) -> pl.Expr:
    pattern = r"(?i)\b(?:" + "|".join(word.replace(".", r"\.") for word in words) + r")\b"
    return pl.col("r").str.count_matches(pattern) / count
