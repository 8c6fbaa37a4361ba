"""Which files make a dump of a Stack Exchange site: found by name, nothing is opened."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.recipe import Ingest
from pipeline.sources.base import Found, found, printable
from pipeline.sources.opening import bare_name
from pipeline.sources.sites import group_of

NAME = "stackexchange"
TABLES = {"Posts.xml": "posts", "Users.xml": "users", "Comments.xml": "comments"}
_ARCHIVE = re.compile(r"(?P<site>.+?)(?:-(?P<table>Posts|Users|Comments))?\.7z")
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_OTHER_ARCHIVE = re.compile(r".+-(?:Badges|PostHistory|PostLinks|Sites|Tags|Votes)\.7z")


def find(dumps: Path, settings: Ingest) -> list[Found]:
    """List the sites below dumps/stackexchange; all dumps of one site are one Found.

    A folder `<site>__<anything>` is a further dump of the site. Sites that the table or the
    recipe leaves out are not listed (`left_out` names them).
    """
    sites: dict[str, list[Path]] = {}
    for site, path in _dumps_of_sites(dumps):
        if group_of(site, settings.stackexchange):
            sites.setdefault(site, []).append(path)
    return [found(NAME, site, paths, dumps) for site, paths in sorted(sites.items())]


def left_out(dumps: Path, settings: Ingest) -> list[str]:
    """Name the sites that are there and not read: meta sites, and those marked `skip`."""
    sites = {site for site, _ in _dumps_of_sites(dumps)}
    return sorted(
        printable(site) for site in sites if group_of(site, settings.stackexchange) is None
    )


def _dumps_of_sites(dumps: Path) -> Iterator[tuple[str, Path]]:
    folder = dumps / NAME
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_file() and not _OTHER_ARCHIVE.fullmatch(path.name):
            match = _ARCHIVE.fullmatch(path.name)
            if match:
                yield match["site"].split("__")[0], path
        elif path.is_dir():
            files = [file for file in sorted(path.iterdir()) if file.is_file()]
            tables = [file for file in files if bare_name(file) in TABLES or is_posts(file)]
            if any(is_posts(file) for file in tables):
                yield from ((path.name.split("__")[0], file) for file in tables)


def is_posts(file: Path) -> bool:
    """Tell whether a file is called Posts.xml, in whatever case and compression."""
    return bare_name(file).lower() == "posts.xml"


@dataclass
class Dump:
    """The files of one dump of a site: one archive, several, or the files of a folder."""

    files: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)


def dumps_of(found: Found) -> list[Dump]:
    """Sort the files of a site by dump."""
    dumps: dict[tuple[str, str], Dump] = {}
    for path in found.files:
        if path.suffix == ".7z":
            match = _ARCHIVE.fullmatch(path.name)
            dump = dumps.setdefault(("7z", match["site"] if match else path.name), Dump())
            dump.archives.append(path)
        else:
            dumps.setdefault(("folder", path.parent.name), Dump()).files.append(path)
    return list(dumps.values())


def host(found: Found) -> str:
    """Return the name of the site; it becomes part of ids and addresses.

    Raises SourceError for a name that can be no host.
    """
    path = found.files[0]
    match = _ARCHIVE.fullmatch(path.name)
    name = (match["site"] if match else path.parent.name).split("__")[0]
    if not _HOST.fullmatch(name):
        raise SourceError(
            f"{found.label(path)}: {printable(name)!r} is no name of a site; call the folder or "
            "archive as the site is called, such as cooking.stackexchange.com."
        )
    return name
