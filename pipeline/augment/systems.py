"""System messages of our own, to pair with prompts: who answers, for whom, at what length.

Orca (arXiv 2306.02707) pairs its queries with 16 hand-written system messages so that a model shows
its reasoning. These are ours, written for Thousand and free to use (CC0); one is empty, as there.
"""

import hashlib

SYSTEMS: tuple[str, ...] = (
    "",
    "Work out the answer in steps, say why each step follows, and end with the answer itself.",
    "Explain it to somebody who has never met the subject, with an example from daily life.",
    "Answer for a colleague in the field: be exact, name what you assume, leave the basics out.",
    "First restate the question in your own words, then answer it, then check the answer.",
    "Give the short answer in one sentence. Then give the reasons, the strongest first.",
    "Name each fact that you use and say how the conclusion rests on it.",
    "Write a thorough answer that leaves no part of the question out.",
    "Lay out the ways to do this, compare them, and say which one you would take and why.",
    "Answer as a patient teacher does: go slowly, and stop to say what is easily got wrong.",
    "Where the question can be read in two ways, say so and answer both.",
    "Use plain words and short sentences. Explain any term that cannot be avoided.",
    "Show how one could find the answer without being told, and what to look at first.",
    "State what is sure, what is likely and what is not known, and keep them apart.",
    "Write it as instructions: one action a line, in order, each with what to expect.",
    "Take a definition or a rule as the starting point and derive the answer from it.",
)


def system_for(name: str, seed: int) -> str:
    """Return the message that goes with a row: by lot, the same each time for the same id."""
    lot = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return SYSTEMS[int.from_bytes(lot[:8], "big") % len(SYSTEMS)]
