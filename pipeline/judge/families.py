"""Self-preference: a warning where a judge grades texts of its own family of models.

Judges like what they would have written (MT-Bench saw +10 % for one, +25 % for another; arXiv
2306.05685, section 3.3). Nothing is corrected here: another judge is the remedy.
"""

import re
from collections import Counter
from collections.abc import Iterable

# A family by the words that its models' names hold; derived models count with their base.
_FAMILIES = {
    "OpenAI": r"gpt-?[345]|gpt-?oss|chatgpt|davinci|openai|\bo[134](?:-|\b)",
    "Claude": r"claude|anthropic",
    "Llama": r"llama|alpaca|vicuna|guanaco|koala|\blima\b|wizardlm|tulu",
    "Google": r"gemini|gemma|palm|bard|flan|\bt5\b",
    "Mistral": r"mistral|mixtral|zephyr|ministral",
    "Qwen": r"qwen|qwq",
    "DeepSeek": r"deepseek",
    "Phi": r"\bphi-?\d",
    "SmolLM": r"smollm",
    "Falcon": r"falcon",
    "GPT-2, GPT-J, Pythia": r"gpt-?2|gpt-?j|gpt-?neo|pythia|dolly",
    "BLOOM": r"bloom",
    "OPT": r"\bopt\b|opt-\d",
    "OLMo": r"olmo",
    "Command": r"command-?r|cohere",
    "Grok": r"grok",
    "GLM": r"\bglm|chatglm",
    "Cerebras-GPT": r"cerebras",
}
_NOT_NAMES = {"", "human", "model", "unknown", "none"}


def family_of(name: str | None) -> str | None:
    """Name the family of a model; a model of no known family is a family of its own."""
    bare = (name or "").rsplit("/", 1)[-1].strip().lower()
    if bare in _NOT_NAMES:
        return None
    for family, pattern in _FAMILIES.items():
        if re.search(pattern, bare):
            return family
    return bare


def self_preference(judge: str, authors: Iterable[str | None]) -> list[str]:
    """Return the sentences of warning about a judge and the models that wrote the texts."""
    texts = list(authors)
    own = family_of(judge)
    families = Counter(family_of(name) for name in texts)
    warnings = []
    if families[own]:
        warnings.append(
            f"Judge and author are one family ({own}) for {families[own]:,} of {len(texts):,} "
            "texts: expect it to like its own; judge with another family."
        )
    unnamed = sum((name or "").strip().lower() == "model" for name in texts)
    if unnamed:
        warnings.append(
            f"{unnamed:,} texts are by a model that their rows do not name: nobody can tell whether "
            "it is the judge's own family."
        )
    return warnings
