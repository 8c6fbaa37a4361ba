"""`lima`: draw a domain, take its best row by votes, draw again (arXiv 2305.11206, section 2.1).

A domain is drawn with p proportional to n^(1/temperature), n being the rows it had before the pool
was cut. A domain that has given all its rows is drawn no more.

Articles have no votes: there the paper draws a category first, each as likely as another, then an
article of it by chance.
"""

import numpy as np
import polars as pl

from pipeline.quotas import temper
from pipeline.selection.candidates import Candidates, Pick
from pipeline.tables import lot


def pick(candidates: Candidates, count: int) -> Pick:
    """Pick `count` rows."""
    frame = candidates.frame
    domains = frame["domain"].to_list()
    queues: dict[str, list[int]] = {domain: [] for domain in sorted(set(domains))}
    random = candidates.random("lima")
    voted = frame["votes"].null_count() < len(frame)
    by_chance = np.argsort(lot(frame["id"]).to_numpy(), kind="stable")
    for place in candidates.by_votes() if voted else random.permutation(by_chance).tolist():
        queues[domains[place]].append(place)
    sizes = dict(frame.group_by("domain").agg(pl.col("domain_rows").max()).iter_rows())
    weights = temper(sizes, candidates.settings.temperature) if voted else dict.fromkeys(sizes, 1.0)
    given = dict.fromkeys(queues, 0)
    order: list[int] = []
    while len(order) < min(count, len(candidates)):
        open_ = [domain for domain in queues if given[domain] < len(queues[domain])]
        chances = np.cumsum([weights[domain] for domain in open_])
        drawn = int(np.searchsorted(chances, random.random() * chances[-1], side="right"))
        domain = open_[min(drawn, len(open_) - 1)]
        order.append(queues[domain][given[domain]])
        given[domain] += 1
    why = {
        place: (
            "over_quota",
            f"{domain} was drawn {given[domain]} times for {candidates.group}; "
            f"this row is number {number} of its {len(queue)} by {'votes' if voted else 'chance'}",
        )
        for domain, queue in queues.items()
        for number, place in enumerate(queue, 1)
        if number > given[domain]
    }
    return Pick(order, why)
