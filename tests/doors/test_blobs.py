"""What every engine of the blobs must keep: bytes are there whole, or not at all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.blobs.base import Blobs
from vedette.blobs.files import FileBlobs
from vedette.domain.errors import BadInput, NotFound

ENGINES: dict[str, Callable[[Path], Blobs]] = {"files": FileBlobs}


@pytest.fixture(params=sorted(ENGINES))
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    engine = ENGINES[request.param](tmp_path / "blobs")
    yield engine
    engine.close()


def test_what_was_put_can_be_got(blobs: Blobs) -> None:
    size_bytes = blobs.put("videos/one.mp4", b"moving pictures")

    assert size_bytes == 15
    assert blobs.get("videos/one.mp4") == b"moving pictures"


def test_pieces_are_put_as_one(blobs: Blobs) -> None:
    size_bytes = blobs.put("one", (bytes([number]) * 100_000 for number in range(30)))

    assert size_bytes == 3_000_000
    assert blobs.get("one") == b"".join(bytes([number]) * 100_000 for number in range(30))


def test_nothing_can_be_put_too(blobs: Blobs) -> None:
    assert blobs.put("empty", b"") == 0
    assert blobs.put("none", iter(())) == 0
    assert blobs.get("empty") == blobs.get("none") == b""


def test_putting_again_replaces(blobs: Blobs) -> None:
    blobs.put("one", b"before, and longer")
    blobs.put("one", b"after")

    assert blobs.get("one") == b"after"


def test_content_that_breaks_off_leaves_what_was_there(blobs: Blobs) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise BadInput("the caller went away")

    blobs.put("known", b"before")
    for key in ("known", "new"):
        with pytest.raises(BadInput, match="went away"):
            blobs.put(key, broken())

    assert blobs.get("known") == b"before"
    assert [blob.key for blob in blobs.list("")] == ["known"]


def test_stream_gives_the_rest_from_a_place_on_in_bounded_pieces(blobs: Blobs) -> None:
    content = bytes(range(256)) * 20_000
    blobs.put("one", content)

    pieces = list(blobs.stream("one", start=1_234_567))

    assert b"".join(pieces) == content[1_234_567:]
    assert len(pieces) > 1
    assert list(blobs.stream("one", start=len(content))) == []


def test_reader_of_a_stream_keeps_what_it_began_with(blobs: Blobs) -> None:
    blobs.put("one", b"a" * 5_000_000)
    stream = blobs.stream("one")
    first = next(stream)

    blobs.put("one", b"b" * 5_000_000)

    assert set(first + b"".join(stream)) == set(b"a")


@pytest.mark.parametrize("key", ["nowhere", "folder/nowhere", "folder", "folder/one/deeper"])
def test_what_was_never_put_is_not_found(blobs: Blobs, key: str) -> None:
    blobs.put("folder/one", b"1")

    for ask in (blobs.get, lambda key: next(blobs.stream(key))):
        with pytest.raises(NotFound, match=key):
            ask(key)
    assert blobs.local_path(key) is None


def test_list_gives_what_begins_with_a_prefix_in_the_order_of_keys(blobs: Blobs) -> None:
    keys = ["p-1/x", "p/1", "p/10/x", "p/2/x", "p/2-x", "p0", "q/é", "q/z"]
    for key in reversed(keys):
        blobs.put(key, key.encode())

    def listed(prefix: str) -> list[str]:
        return [blob.key for blob in blobs.list(prefix)]

    assert listed("") == sorted(keys)
    assert listed("p/") == ["p/1", "p/10/x", "p/2-x", "p/2/x"]
    assert listed("p/1") == ["p/1", "p/10/x"]
    assert listed("p") == ["p-1/x", "p/1", "p/10/x", "p/2-x", "p/2/x", "p0"]
    assert listed("p/2/x/y") == listed("nothing") == listed("no/thing/") == []


def test_list_tells_size_and_time(blobs: Blobs) -> None:
    blobs.put("one", b"12345")

    (blob,) = blobs.list("one")

    assert blob.size_bytes == 5
    assert abs(blob.put_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_deleting_twice_or_what_never_was_is_no_error(blobs: Blobs) -> None:
    for key in ("a/b/1", "a/b/2", "c"):
        blobs.put(key, b"x")

    blobs.delete(["a/b/1", "c", "never/was"])
    blobs.delete(["a/b/1"])

    assert [blob.key for blob in blobs.list("")] == ["a/b/2"]


@pytest.mark.parametrize(
    "key",
    ["", "/", "/etc/passwd", "a/../../b", "..", "a/./b", "a//b", "a/", ".hidden", "a\0b", "a\nb",
     "x" * 2000, "\ud800"],
)  # fmt: skip
def test_key_that_could_reach_elsewhere_is_refused(blobs: Blobs, key: str) -> None:
    for ask in (
        lambda: blobs.put(key, b"x"),
        lambda: blobs.get(key),
        lambda: blobs.stream(key),
        lambda: blobs.delete([key]),
        lambda: blobs.local_path(key),
    ):
        with pytest.raises(BadInput, match="cannot be a blob's key"):
            ask()


def test_local_path_holds_the_bytes_where_there_is_one(blobs: Blobs) -> None:
    blobs.put("one", b"12345")

    path = blobs.local_path("one")

    assert path is None or path.read_bytes() == b"12345"


def test_writers_and_deleters_at_once_leave_whole_blobs(blobs: Blobs) -> None:
    contents = [bytes([number]) * 50_000 for number in range(4)]
    seen: set[bytes] = set()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(25):
                blobs.put("shared/place/one", contents[number])
                blobs.put(f"shared/place/{number}/own", contents[number])
                with contextlib.suppress(NotFound):
                    seen.add(blobs.get("shared/place/one"))
                blobs.delete([f"shared/place/{number}/own", "shared/place/one"])
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)

    assert failures == []
    assert seen <= set(contents)
    assert list(blobs.list("")) == []


@settings(max_examples=25, deadline=None)
@given(pieces=st.lists(st.binary(max_size=300_000), max_size=6), start=st.integers(0, 400_000))
def test_stream_is_the_end_of_what_get_gives(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], start: int
) -> None:
    for name, engine in ENGINES.items():
        blobs = engine(tmp_path_factory.mktemp(name))

        blobs.put("one", pieces)

        assert blobs.get("one") == b"".join(pieces)
        assert b"".join(blobs.stream("one", start=start)) == b"".join(pieces)[start:]
