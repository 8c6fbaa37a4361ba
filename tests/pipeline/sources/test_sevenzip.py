import io
import random
import threading
import tracemalloc
from pathlib import Path

import py7zr
import pytest

from pipeline.errors import SourceError
from pipeline.recipe import Limits
from pipeline.sources import sevenzip

POSTS = b"<posts>\n" + b"".join(b'  <row Id="%d" />\n' % n for n in range(3000)) + b"</posts>"
USERS = b'<users>\n  <row Id="1" DisplayName="Ann" />\n</users>'
WANTED = {"Posts.xml", "Users.xml"}


Filters = list[dict[str, int]] | None
BZIP2: Filters = [{"id": py7zr.FILTER_BZIP2}]  # as in official dumps; None is py7zr's own choice


@pytest.fixture(params=[BZIP2, None], ids=["bzip2", "lzma2"])
def filters(request: pytest.FixtureRequest) -> Filters:
    return request.param


def archive(
    path: Path,
    *members: tuple[str, bytes],
    password: str | None = None,
    filters: Filters = None,
) -> Path:
    with py7zr.SevenZipFile(path, "w", password=password, filters=filters) as packed:
        for name, data in members:
            packed.writestr(data, name)
    return path


def two_folders(path: Path, filters: Filters = None) -> Path:
    """Pack two members that are compressed apart, and an empty one."""
    with py7zr.SevenZipFile(path, "w", filters=filters) as packed:
        packed.writestr(POSTS, "Posts.xml")
    nothing = path.with_suffix(".empty")
    nothing.touch()
    with py7zr.SevenZipFile(path, "a", filters=filters) as packed:
        packed.write(nothing, "Comments.xml")
    with py7zr.SevenZipFile(path, "a", filters=filters) as packed:
        packed.writestr(USERS, "Users.xml")
    return path


def content(
    path: Path, wanted: set[str] = WANTED, limits: Limits | None = None
) -> dict[str, bytes]:
    members = sevenzip.members(path, wanted, limits or Limits(), path.name)
    return {name: stream.read() for name, stream in members}


@pytest.fixture(autouse=True)
def _no_thread_left() -> object:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before  # those of an earlier test may end meanwhile


def test_members_come_in_order_below_any_folder_and_others_are_skipped(
    tmp_path: Path, filters: Filters
) -> None:
    path = archive(
        tmp_path / "a.7z",
        ("dump/Badges.xml", b"<badges/>"),
        ("dump/Posts.xml", POSTS),
        ("dump/Votes.xml", b"v" * 100_000),
        ("dump/Users.xml", USERS),
        filters=filters,
    )
    assert list(content(path).items()) == [("Posts.xml", POSTS), ("Users.xml", USERS)]
    assert content(path, {"Users.xml"}) == {"Users.xml": USERS}
    assert content(path, {"Comments.xml"}) == {}


def test_an_empty_member_does_not_shift_the_names_of_the_others(
    tmp_path: Path, filters: Filters
) -> None:
    path = two_folders(tmp_path / "a.7z", filters)
    assert content(path, {*WANTED, "Comments.xml"}) == {"Posts.xml": POSTS, "Users.xml": USERS}


def test_a_reader_that_stops_early_leaves_nothing_behind(tmp_path: Path, filters: Filters) -> None:
    members = ("Posts.xml", bytes(40 << 20)), ("Users.xml", USERS)
    path = archive(tmp_path / "a.7z", *members, filters=filters)
    members = sevenzip.members(path, WANTED, Limits(), "a.7z")
    _, stream = next(members)
    assert stream.read(10) == bytes(10)
    members.close()  # type: ignore[attr-defined]
    unread = sevenzip.members(path, WANTED, Limits(), "a.7z")
    assert [name for name, _ in unread] == ["Posts.xml", "Users.xml"]


@pytest.mark.parametrize(
    "name", ["/etc/Posts.xml", "../../Posts.xml", "a/../../../Posts.xml", "C:\\x\\Posts.xml"]
)
def test_paths_that_lead_outside_are_refused_or_only_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "work"
    home.mkdir()
    monkeypatch.chdir(home)
    path = archive(tmp_path / "a.7z", ("Aosts.xml" + "_" * (len(name) - 9), POSTS))
    _rename(path, "Aosts.xml" + "_" * (len(name) - 9), name)
    try:
        assert content(path) == {"Posts.xml": POSTS}
    except SourceError as error:
        assert str(error).startswith("a.7z")  # noqa: PT017
    assert sorted(tmp_path.rglob("*")) == [path, home]


def _rename(path: Path, old: str, new: str) -> None:
    """Change a member's name in an archive, which a well-meaning packer refuses to do."""
    with py7zr.SevenZipFile(path, "r") as packed:
        data = packed.extractall(factory=(memory := py7zr.io.BytesIOFactory(1 << 30)))
        assert data is None
        (content,) = memory.products.values()
        text = content.read()
    with py7zr.SevenZipFile(path, "w") as packed:
        packed.writestr(text, old)
        packed.header.files_info.files[0]["filename"] = new
        packed.files[0]._file_info["filename"] = new


def test_links_are_refused_and_never_made(tmp_path: Path) -> None:
    (tmp_path / "Posts.xml").symlink_to("/etc/passwd")
    path = tmp_path / "a.7z"
    with py7zr.SevenZipFile(path, "w") as packed:
        packed.write(tmp_path / "Posts.xml", "Posts.xml")
    with pytest.raises(SourceError, match=r"^a\.7z: Posts\.xml is a link; links are refused\.$"):
        content(path)


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.7z", ("a/Posts.xml", POSTS), ("b/Posts.xml", POSTS))
    with pytest.raises(SourceError, match=r"a\.7z holds two files named Posts\.xml"):
        content(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.7z", ("Posts.xml", POSTS), password="secret")
    with pytest.raises(SourceError, match=r"^a\.7z is encrypted; unpack it yourself"):
        content(path)


@pytest.mark.parametrize("name", ["Posts.xml", "Badges.xml"])
def test_a_bomb_is_refused_before_it_is_unpacked(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.7z", (name, bytes(70 << 20)), ("Users.xml", USERS))
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="expands to more than 10 times its size"):
            content(path, limits=Limits(max_ratio=10))
        with pytest.raises(SourceError, match="expands to more than 1024 bytes"):
            content(path, limits=Limits(max_expanded_bytes=1024))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20  # the archive's own header is compressed, too


@pytest.mark.parametrize(("bomb", "bound"), [(True, 300 << 20), (False, 24 << 20)])
def test_a_large_member_is_read_in_bounded_memory(bomb: bool, bound: int, tmp_path: Path) -> None:
    path = tmp_path / "a.7z"
    filters = None if bomb else [{"id": py7zr.FILTER_COPY}]
    with py7zr.SevenZipFile(path, "w", filters=filters) as packed:
        packed.writestr(bytes(140 << 20), "Posts.xml")
    size = 0
    tracemalloc.start()
    try:
        for _, stream in sevenzip.members(path, WANTED, Limits(max_ratio=1e6), "a.7z"):
            while data := stream.read(1 << 20):
                size += len(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == 140 << 20
    assert peak < bound


def test_a_damaged_archive_is_refused_or_read_right(tmp_path: Path, filters: Filters) -> None:
    whole = two_folders(tmp_path / "whole.7z", filters).read_bytes()
    path = tmp_path / "a.7z"
    draw = random.Random(7)
    broken = [whole[:size] for size in range(0, len(whole), 10)]
    for _ in range(150):
        place = draw.randrange(len(whole))
        broken.append(whole[:place] + bytes([draw.randrange(256)]) + whole[place + 1 :])
    refused = 0
    for data in broken:
        path.write_bytes(data)
        try:
            got = content(path)
        except SourceError as error:
            refused += 1
            assert str(error).startswith("a.7z")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
        else:
            whole_or_absent = got.items() <= {"Posts.xml": POSTS, "Users.xml": USERS}.items()
            assert whole_or_absent, data
    assert refused > len(whole) // 10


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.7z"
    for data in (b"", b"7z", POSTS, io.BytesIO(bytes(5000)).read()):
        path.write_bytes(data)
        with pytest.raises(SourceError, match=r"^a\.7z is damaged or no 7z archive \("):
            content(path)
