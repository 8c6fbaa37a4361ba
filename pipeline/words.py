"""Words that name a cluster: class-based TF-IDF over the rows' prompts and responses.

A word counts once per row, so that one long text cannot name its cluster; its weight is
log(1 + rows per cluster / rows with the word), as BERTopic does it (arXiv 2203.05794, section 3.3).
"""

import polars as pl

# Words of English that say nothing about a topic, and what forum answers are full of.
_STOP_WORDS = """
    a able about above according actually add after again against ago all allow almost along
    already also although always am among an and another answer any anyone anything are aren around
    as ask asked at away back based be because become been before being below best better between
    big both but by call called came can cannot case cause certain come comes could couldn couple
    day days did didn different do does doesn doing don done down during each easily easy edit
    either else end enough especially even ever every everyone everything exactly example fact far
    few find first following for found from full further gave general get gets getting give given
    gives go goes going good got great had hadn happen hard has hasn have haven having he help her
    here him himself his how however i idea if important in instead into is isn it its itself just
    keep kind know known large last later least less let like likely little ll long longer look
    looking lot made main make makes making many may maybe me mean means might more most mostly much
    must my need needed needs never new next no non none nor not note nothing now of off often old
    on once one ones only or other others otherwise our out over own part people per perhaps please
    point possible probably problem put question quite rather re read really reason right said same
    say says second see seem seems seen set several shall she should shouldn show similar simple
    simply since small so some someone something sometimes soon sort start still stuff such sure
    take takes taken taking tell than thank thanks that the their them themselves then there
    therefore these they thing things think this those though three through thus time times to
    together told too took try trying two type under understand unless until up upon us use used
    useful user uses using usually ve very want wanted wants was wasn way ways we well went were
    weren what whatever when where whether which while who whole whose why will wish with within
    without won work working works would wouldn write wrong yes yet you your yourself
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

SHARE = 0.15  # a word that names a cluster stands in at least this share of its rows

_CODE = r"(?s)```.*?(?:```|\z)|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|https?://\S+"
_WORD = r"\p{L}[\p{L}\p{M}]{2,29}"


def row_words(texts: pl.Expr) -> pl.Expr:
    """List the distinct words of each text without code, formulas, links and stop words."""
    plain = texts.fill_null("").str.replace_all(_CODE, " ").str.to_lowercase()
    words = plain.str.extract_all(_WORD).list.unique()
    return words.list.set_difference(pl.lit(sorted(STOP_WORDS), dtype=pl.List(pl.String)))


def count_words(frame: pl.DataFrame) -> pl.DataFrame:
    """Count in how many rows of each cluster a word stands; needs `cluster` and the texts."""
    text = pl.concat_str(["prompt", "response"], separator="\n", ignore_nulls=True)
    return (
        frame.select("cluster", word=row_words(text))
        .explode("word", empty_as_null=False)
        .drop_nulls()
        .group_by("cluster", "word")
        .agg(rows=pl.len())
    )


def name_clusters(counts: pl.DataFrame, sizes: dict[int, int], words: int) -> dict[int, list[str]]:
    """Choose the words of each cluster from the counts, the most telling first."""
    per_cluster = sum(sizes.values()) / max(1, len(sizes))
    size = pl.col("cluster").replace_strict(sizes, return_dtype=pl.Int64)
    everywhere = pl.col("rows").sum().over("word")
    weight = pl.col("rows") / size * (1 + per_cluster / everywhere).log()
    common = (pl.col("rows") > 1) & (pl.col("rows") >= SHARE * pl.col("size"))
    ranked = (
        counts.with_columns(size=size, weight=weight.round(9))
        .with_columns(common=common | (pl.col("size") < 3))
        # Where rows share too few words, the words of some of them name the cluster.
        .sort(["cluster", "common", "weight", "word"], descending=[False, True, True, False])
        .group_by("cluster", maintain_order=True)
        .head(8 * words)
    )
    names: dict[int, list[str]] = {cluster: [] for cluster in sizes}
    for cluster, word in ranked.select("cluster", "word").iter_rows():
        chosen = names[cluster]
        if len(chosen) < words and not any(alike(word, other) for other in chosen):
            chosen.append(word)
    return names


def alike(word: str, other: str) -> bool:
    """Tell whether two words are forms of one: flight and flights, travel and travelling."""
    short, long = sorted((word, other), key=len)
    if long.startswith(short) and len(short) >= 3:
        return True
    shared = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), 99)
    return shared >= 4 and len(short) - shared <= 2 and len(long) - shared <= 4
