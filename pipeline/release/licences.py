"""What a row's licence allows: one normal form for each, and what holds for a set of rows.

A dump writes "CC BY-SA 4.0", a table "cc-by-sa-4.0" and a recipe "CC-BY-SA-4.0"; all are SPDX's
CC-BY-SA-4.0 here. A licence that is not known stays as it is, flagged, and never counts as open.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

_CC = re.compile(
    r"(?:creative ?commons )?(?:cc )?"
    r"(by(?: nc)?(?: (?:sa|nd))?|attribution(?: noncommercial)?(?: (?:sharealike|noderivatives))?)"
    r"(?: version)?(?: (\d\.\d))?(?: (?:international|unported|generic|deed))?"
)
_CC_URL = re.compile(r"https?://(?:www\.)?creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)", re.I)
_WORDS = {"attribution": "by", "noncommercial": "nc", "sharealike": "sa", "noderivatives": "nd"}

# SPDX identifier -> address and the identifier of the Hugging Face hub, for all but the CC family.
_OTHERS = {
    "CC0-1.0": ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
    "PDDL-1.0": ("https://opendatacommons.org/licenses/pddl/1-0/", "pddl"),
    "ODC-By-1.0": ("https://opendatacommons.org/licenses/by/1-0/", "odc-by"),
    "ODbL-1.0": ("https://opendatacommons.org/licenses/odbl/1-0/", "odbl"),
    "Apache-2.0": ("https://www.apache.org/licenses/LICENSE-2.0", "apache-2.0"),
    "MIT": ("https://opensource.org/license/mit", "mit"),
    "BSD-3-Clause": ("https://opensource.org/license/bsd-3-clause", "bsd-3-clause"),
    "GFDL-1.3-or-later": ("https://www.gnu.org/licenses/fdl-1.3.html", "gfdl"),
}
_ALIASES = {
    "cc0": "CC0-1.0",
    "cc zero": "CC0-1.0",
    "cc0 1.0 universal": "CC0-1.0",
    "apache": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "mit license": "MIT",
    "odc by": "ODC-By-1.0",
    "odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
    "gfdl": "GFDL-1.3-or-later",
}
_SHARE_ALIKE = {"ODbL-1.0", "GFDL-1.3-or-later"}

# Sources that give no licence to reuse the text; the address is that of the terms.
_UNLICENSED = {"LicenseRef-Reddit": "https://www.redditinc.com/policies/user-agreement"}

# The Creative Commons versions that the hub has identifiers for.
_HUB_CC = {
    "CC-BY": ("2.0", "2.5", "3.0", "4.0"),
    "CC-BY-SA": ("3.0", "4.0"),
    "CC-BY-NC": ("2.0", "3.0", "4.0"),
    "CC-BY-ND": ("4.0",),
    "CC-BY-NC-ND": ("3.0", "4.0"),
    "CC-BY-NC-SA": ("2.0", "3.0", "4.0"),
}


@dataclass(frozen=True)
class Licence:
    """A licence and what it asks; `known` is false for a text that names none we know."""

    spdx: str
    family: str  # the identifier without its version
    url: str | None = None
    hub: str | None = None  # the hub's identifier, where it has one
    non_commercial: bool = False
    share_alike: bool = False
    no_derivatives: bool = False
    granted: bool = True  # false where no licence is given, only terms of a site
    known: bool = True

    @property
    def open(self) -> bool:
        """Tell whether anybody may use, change and share the text for any purpose."""
        return self.known and self.granted and not (self.non_commercial or self.no_derivatives)


@dataclass(frozen=True)
class Summary:
    """What holds for a set of rows as a whole, in the words of the hub's card."""

    shares: dict[str, int]  # SPDX -> rows, most first
    hub: str
    name: str | None  # for `other`: license_name
    non_commercial: list[str]
    unlicensed: list[str]  # no licence given, or one that is not known
    no_derivatives: list[str]
    written: dict[str, dict[str, int]]  # SPDX -> as the rows write it -> rows, most first

    @property
    def open(self) -> bool:
        """Tell whether each row is open."""
        return not (self.non_commercial or self.unlicensed or self.no_derivatives)


def parse(text: str) -> Licence:
    """Give the normal form of a licence as a dump, a table or a person writes it."""
    stripped = " ".join(text.split())
    words = " ".join(re.split(r"[\s_-]+", stripped.lower()))
    url = _CC_URL.match(stripped)
    if url:
        return _creative_commons(url[1].lower().replace("-", " "), url[2])
    match = _CC.fullmatch(words)
    if match and (words.startswith("cc ") or "commons" in words or match[2]):
        kind = " ".join(_WORDS.get(word, word) for word in match[1].split())
        return _creative_commons(kind, match[2])
    spdx = _ALIASES.get(words) or next(
        (name for name in _OTHERS if name.lower().replace("-", " ") == words), None
    )
    if spdx:
        address, hub = _OTHERS[spdx]
        family = re.sub(r"-\d[\d.]*.*$", "", spdx)
        return Licence(spdx, family, address, hub, share_alike=spdx in _SHARE_ALIKE)
    reference = next((name for name in _UNLICENSED if name.lower() == stripped.lower()), None)
    if reference:
        return Licence(reference, reference, _UNLICENSED[reference], granted=False)
    return Licence(stripped, stripped, granted=False, known=False)


def _creative_commons(kind: str, version: str | None) -> Licence:
    parts = kind.split()
    family = "CC-" + "-".join(part.upper() for part in parts)
    if version is None:  # which text holds is not said, so nothing is promised
        return Licence(family, family, granted=False, known=False, non_commercial="nc" in parts)
    return Licence(
        spdx=f"{family}-{version}",
        family=family,
        url=f"https://creativecommons.org/licenses/{'-'.join(parts)}/{version}/",
        hub=f"{family}-{version}".lower() if version in _HUB_CC.get(family, ()) else None,
        non_commercial="nc" in parts,
        share_alike="sa" in parts,
        no_derivatives="nd" in parts,
    )


def refused(licence: str, patterns: Sequence[str]) -> bool:
    """Tell whether a licence matches a pattern such as "*-NC-*" or "LicenseRef-*", in any case.

    Patterns are held against the SPDX form and against the licence as it is written.
    """
    forms = {parse(licence).spdx.lower(), licence.lower()}
    return any(fnmatchcase(form, pattern.lower()) for pattern in patterns for form in forms)


def summarise(licences: Mapping[str, int] | Iterable[str]) -> Summary:
    """Say what holds for a set of rows; takes the licence of each row, or counts by licence.

    One licence: that one. Open ones with a share-alike among Creative Commons: CC BY-SA 4.0, since
    versions 2.0 to 3.0 let adaptations move to a later one. Anything else: `other`, with a name.
    """
    texts = dict(licences) if isinstance(licences, Mapping) else Counter(licences)
    kinds: dict[str, Licence] = {}
    written: dict[str, dict[str, int]] = {}
    for text, count in _most_first(texts).items():
        licence = parse(text)
        kinds[licence.spdx] = licence
        written.setdefault(licence.spdx, {})[text] = count
    shares = _most_first({spdx: sum(counts.values()) for spdx, counts in written.items()})
    ordered = [kinds[spdx] for spdx in shares]
    unlicensed = [kind.spdx for kind in ordered if not (kind.known and kind.granted)]
    non_commercial = [kind.spdx for kind in ordered if kind.non_commercial]
    no_derivatives = [kind.spdx for kind in ordered if kind.no_derivatives]
    hub, name = _of_the_whole(ordered, non_commercial, unlicensed)
    return Summary(shares, hub, name, non_commercial, unlicensed, no_derivatives, written)


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _of_the_whole(
    kinds: list[Licence], non_commercial: list[str], unlicensed: list[str]
) -> tuple[str, str | None]:
    if not kinds:
        return "unknown", None
    if len(kinds) == 1 and kinds[0].hub:
        return kinds[0].hub, None
    if len(kinds) == 1 and kinds[0].open:
        return "other", kinds[0].spdx.lower()
    if all(kind.open for kind in kinds):
        share_alike = {kind.family for kind in kinds if kind.share_alike}
        if share_alike == {"CC-BY-SA"}:
            return "cc-by-sa-4.0", None
        if not share_alike and any(kind.family == "CC-BY" for kind in kinds):
            return "cc-by-4.0", None
        return "other", "mixed-open"
    parts = ["mixed"] if len(kinds) > 1 else []
    parts += ["non-commercial"] if non_commercial else []
    parts += ["partly-unlicensed" if len(kinds) > 1 else "unlicensed"] if unlicensed else []
    return "other", "-".join(parts or ["no-derivatives"])
