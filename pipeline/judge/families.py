"""Self-preference: a warning where a judge grades texts of its own family of models.

Judges like what they would have written (MT-Bench saw +10 % for one, +25 % for another; arXiv
2306.05685, section 3.3). Nothing is corrected here: another judge is the remedy.
"""

import re
from collections import Counter
from collections.abc import Iterable

# A family by the pieces of its models' names: no letter stands before or after, so that palmyra is
# no PaLM. Derived models count with their base.
_FAMILIES = {
    "OpenAI": r"(?:chat)?gpt(?=-?[345])|chatgpt|gpt-?oss|davinci|openai|o[134](?!\d)",
    "Claude": r"claude|anthropic",
    "Llama": r"[a-z]*llama|alpaca|vicuna|guanaco|koala|lima|wizardlm|tulu",
    "Google": r"gemini|[a-z]*gemma|palm|bard|flan|t5",
    "Mistral": r"(?:mi|mini|magi|dev|code)stral(?:ai)?|[mp]ixtral|zephyr",
    "Qwen": r"[a-z]*qwen|qwq",
    "DeepSeek": r"deepseek",
    "Phi": r"phi(?=-?\d)",
    "SmolLM": r"smollm",
    "Falcon": r"falcon",
    "GPT-2, GPT-J, Pythia": r"gpt(?=-?2)|gpt-?(?:j|neox?)|pythia|dolly",
    "BLOOM": r"bloomz?",
    "OPT": r"opt",
    "OLMo": r"olmoe?",
    "Command": r"command-?r|cohere",
    "Grok": r"grok",
    "GLM": r"(?:chat)?glm",
    "Cerebras-GPT": r"cerebras",
}
_NOT_NAMES = {"", "human", "model", "unknown", "none"}


def family_of(name: str | None) -> str | None:
    """Name the family of a model; a model of no known family is a family of its own."""
    bare = (name or "").rsplit("/", 1)[-1].strip().lower()
    if bare in _NOT_NAMES:
        return None
    for family, pattern in _FAMILIES.items():
        if re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", bare):
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
