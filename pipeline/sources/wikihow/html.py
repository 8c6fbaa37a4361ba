"""wikiHow as HTML: saved pages of 2020 and the article bodies of 2008.

Both number their steps in lists whose bold words come first; they differ in what stands around.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources.base import Tally
from pipeline.sources.opening import read_text
from pipeline.sources.wikihow.article import Article, Part, Step, one_line

# Furniture: what is on the page and not in the article.
_FURNITURE = (
    "script,style,noscript,template,iframe,object,embed,video,audio,img,form,input,button,svg,map,"
    "sup.reference,.reference,.ts_popup,.editsection,.editsection1,.mwimg,.thumb,.floatright,"
    ".floatleft,.wh_ad_inner,.wh_vote_container,.clearall,.step_num,.stepanchor,.image_details,"
    ".article_byline,#byline_info,#byline_hover,.adclass,.altblock,[hidden]"
)
_MAX_DEPTH = 30  # of nested tags; deeper ones are read as plain text
# Tags that must be closed; others, such as <li>, nest only inside these.
_TAG = re.compile(
    r"<(/?)(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|p|li|dt|dd|t[rdh]"
    r"|tbody|thead|option)\b)[a-zA-Z]"
)
_MAX_NESTING = 400
_MAX_TAGS = 300_000
# A parser compares each attribute of a tag with all others.
_MANY_ATTRIBUTES = re.compile(
    r"<[a-zA-Z][^\s/>]*+(?:[\s/]++[^\s/>=]++(?>(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?)){500}"
)
_BLOCK = frozenset("p div ul ol li table tr blockquote h1 h2 h3 h4 h5 h6 pre dl dt dd".split())  # noqa: SIM905
_ADVICE = re.compile(r"^\W*(?:thanks!|helpful \d+.*|not helpful \d+)\W*$", re.IGNORECASE)
_SEEN = (
    (re.compile(r"Last Updated: (\w+ \d{1,2}, \d{4})"), "%B %d, %Y"),
    (re.compile(r"parser cache with key \S+ and timestamp (\d{8})\d{6}"), "%Y%m%d"),
)


def read_page(
    path: Path, label: str, settings: Ingest, tally: Tally
) -> Iterator[tuple[int, Article]]:
    """Read one saved page; raises SourceError if it is no wikiHow article."""
    text = read_text(path, settings.limits, label, settings.limits.max_line_bytes)
    tally.read(label)
    try:
        article = parse_html(text)
    except ValueError as error:
        raise SourceError(f"{label} is no wikiHow article: {error}.") from error
    if not article.title or not article.steps():
        raise SourceError(f"{label} is no wikiHow article: it has no title or no numbered steps.")
    yield 1, article


def parse_html(text: str) -> Article:
    """Parse a page or an article body; what it lacks stays empty.

    Raises ValueError for markup that no article has.
    """
    _check_markup(text)
    tree = LexborHTMLParser(text)
    article = Article(_title(tree))
    article.created_at = _last_seen(text)
    canonical = tree.css_first('link[rel="canonical"]')
    href = canonical.attributes.get("href") if canonical else None
    if href and re.fullmatch(r"https?://[^\s<>\"]{4,2000}", href):
        article.url = href
    article.category = _breadcrumb(tree)
    for node in tree.css(_FURNITURE):
        node.decompose()
    sections = tree.css(".section.steps")
    if sections:
        article.parts = [_part_2020(section) for section in sections]
        article.intro = _paragraphs(tree.css("#mf-section-0 > p") or tree.css("#intro > p"))
    elif (steps := tree.css_first("#steps")) is not None:
        article.parts = _parts_2008(steps)
        article.intro = _paragraphs(_before(steps))
    article.ingredients = _ingredients(tree)
    article.tips = _items(tree, "tips")
    article.warnings = _items(tree, "warnings")
    return article


def _check_markup(text: str) -> None:
    """Refuse markup on which a parser's time grows with the square of its length."""
    if text.count("<") > _MAX_TAGS:
        raise ValueError(f"its markup has more than {_MAX_TAGS} tags")
    if _MANY_ATTRIBUTES.search(text):
        raise ValueError("a tag in its markup has 500 attributes or more")
    depth = 0
    for tag in _TAG.finditer(text):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > _MAX_NESTING:
            raise ValueError(f"its markup is nested more than {_MAX_NESTING} deep")


def _title(tree: LexborHTMLParser) -> str:
    for selector in ("h1", "title"):
        node = tree.css_first(selector)
        if node is not None and (title := one_line(node.text())):
            return title[:500]
    return ""


def _last_seen(text: str) -> datetime | None:
    """Return the day on which the text is known to have stood as it is."""
    for pattern, form in _SEEN:
        if match := pattern.search(text):
            try:
                return datetime.strptime(match[1], form)
            except ValueError:
                continue
    return None


def _breadcrumb(tree: LexborHTMLParser) -> str | None:
    """Return the top category."""
    for node in tree.css("#breadcrumb a, .breadcrumbs a"):
        name = one_line(node.text())
        if name and name.lower() != "categories" and not name.lower().startswith("featured"):
            return name[:100]
    return None


def _part_2020(section: LexborNode) -> Part:
    heading = section.css_first("h3 .mw-headline")
    return Part(
        one_line(heading.text()) if heading else "",
        [_step(node) for node in section.css("div.step")],
    )


def _parts_2008(steps: LexborNode) -> list[Part]:
    """Read the numbered lists below #steps and below the unnamed sections that follow it.

    Headings and bold paragraphs between the lists name the parts.
    """
    parts = [Part()]
    blocks = [steps]
    sibling = steps.next
    while sibling is not None:
        if sibling.tag == "div" and not sibling.attributes.get("id"):
            blocks.append(sibling)
        sibling = sibling.next
    for block in blocks:
        for node in _children(block):
            if node.tag in ("ol", "ul"):
                parts[-1].steps += [_step(item) for item in _children(node) if item.tag == "li"]
            elif _is_heading(node):
                name = one_line(node.text())
                parts.append(Part("" if name.lower() == "steps" else name))
    return parts


def _is_heading(node: LexborNode) -> bool:
    return node.tag in ("h2", "h3", "h4") or (node.tag == "p" and _is_bold(node))


def _is_bold(node: LexborNode) -> bool:
    bold = node.css_first("b, strong")
    return bold is not None and one_line(bold.text()) == one_line(node.text()) != ""


def _children(node: LexborNode) -> list[LexborNode]:
    return list(node.iter(include_text=False))


def _before(node: LexborNode) -> list[LexborNode]:
    """Return the paragraphs beside and before a node."""
    found: list[LexborNode] = []
    sibling = node.prev
    while sibling is not None:
        if sibling.tag in ("p", "ul", "ol"):
            found.append(sibling)
        sibling = sibling.prev
    return found[::-1]


def _paragraphs(nodes: list[LexborNode]) -> str:
    blocks = []
    for node in nodes:
        if node.tag in ("ul", "ol"):
            blocks.append("\n".join(f"- {one_line(_inline(item))}" for item in _children(node)))
        else:
            blocks.append(one_line(_inline(node)))
    return "\n\n".join(block for block in blocks if block.strip())


def _items(tree: LexborHTMLParser, section: str) -> list[str]:
    node = tree.css_first(f"#{section}")
    points: list[str] = []
    if node is not None:
        for listing in node.css("ul, ol"):
            if not any(parent.tag == "li" for parent in _parents(listing, node)):
                _points(listing, 0, points)
    return [point for point in points if not _ADVICE.match(point)]


def _ingredients(tree: LexborHTMLParser) -> list[str]:
    """List ingredients; where they are grouped, below the names of the groups."""
    node = tree.css_first("#ingredients")
    points: list[str] = []
    grouped = 0
    for block in node.css("h3, ul, ol") if node is not None else []:
        if block.tag == "h3":
            points.append(one_line(block.text()))
            grouped = 1
        elif not any(parent.tag == "li" for parent in _parents(block, block)):
            _points(block, grouped, points)
    return points


def _parents(node: LexborNode, top: LexborNode) -> Iterator[LexborNode]:
    parent = node.parent
    while parent is not None and parent.mem_id != top.mem_id:
        yield parent
        parent = parent.parent


def _step(node: LexborNode) -> Step:
    """Split a step into its first bold words, the text behind, and the lists below."""
    points: list[str] = []
    for listing in node.css("ul, ol"):
        if not any(parent.tag in ("ul", "ol") for parent in _parents(listing, node)):
            _points(listing, 0, points)
    for listing in node.css("ul, ol"):
        listing.decompose()
    text = one_line(_inline(node))
    match = re.match(r"\*\*(.+?)\*\*(.*)$", text, re.DOTALL)
    if match and len(match[1]) < 400:
        headline, rest = match[1].strip(), match[2]
        if rest[:1].isalnum():  # the bold words stop in the middle of one
            return Step("", text, points)
        return Step(headline, rest.strip(), points)
    return Step("", text, points)


def _points(listing: LexborNode, depth: int, into: list[str]) -> None:
    if depth > _MAX_DEPTH // 2:
        return
    for number, item in enumerate(_children(listing), 1):
        inner = [n for n in _children(item) if n.tag in ("ul", "ol")]
        own = one_line("".join(_inline_nodes(item, 0, skip=frozenset({"ul", "ol"}))))
        if own:
            marker = f"{number}. " if listing.tag == "ol" else ""
            into.append(f"{'  ' * depth}{marker}{own}")
        for nested in inner:
            _points(nested, depth + 1, into)


def _inline(node: LexborNode) -> str:
    return "".join(_inline_nodes(node, 0, frozenset()))


def _inline_nodes(node: LexborNode, depth: int, skip: frozenset[str]) -> Iterator[str]:
    """Yield the text of a node, with bold, italics, code and breaks as Markdown."""
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag == "-text":
            yield child.text(deep=False).replace("⁄", "/")
        elif tag in skip or tag == "-comment":
            continue
        elif depth >= _MAX_DEPTH:
            yield child.text()
        elif tag == "br":
            yield " "
        else:
            inner = "".join(_inline_nodes(child, depth + 1, skip))
            yield _mark(tag, inner, child)


def _mark(tag: str, inner: str, node: LexborNode) -> str:
    bare = inner.strip()
    if not bare:
        return inner
    if tag in ("b", "strong"):
        return inner.replace(bare, f"**{bare}**") if "**" not in bare else inner
    if tag in ("code", "kbd", "tt") and "`" not in bare:
        return inner.replace(bare, f"`{bare}`")
    if tag == "sup" and bare.isdigit() and "frac" not in (_class(node.parent)):
        return f"^{bare}"
    return f" {inner} " if tag in _BLOCK else inner


def _class(node: LexborNode | None) -> str:
    return (node.attributes.get("class") or "") if node is not None else ""
