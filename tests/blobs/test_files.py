"""What the folder of blobs keeps when disks are full and writers are killed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.blobs.files import HIDDEN, FileBlobs
from vedette.domain.errors import BlobsUnavailable

LONG_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


def killed_writer(folder: Path) -> None:
    """Put with a process that is killed when half of the bytes are written."""
    program = (
        "import sys, pathlib\n"
        "from vedette.blobs.files import FileBlobs\n"
        "def content():\n"
        "    yield b'half'\n"
        "    print('written', flush=True)\n"
        "    sys.stdin.read()\n"
        "FileBlobs(pathlib.Path(sys.argv[1])).put('one', content())\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        child.kill()


def test_killed_writer_leaves_no_blob_and_its_leftover_goes_in_time(folder: Path) -> None:
    FileBlobs(folder).put("one", b"before")

    killed_writer(folder)
    (leftover,) = (folder / HIDDEN).iterdir()
    young = FileBlobs(folder)
    kept = leftover.exists()
    os.utime(leftover, LONG_AGO)
    FileBlobs(folder)

    assert young.get("one") == b"before"
    assert [blob.key for blob in young.list("")] == ["one"]
    assert kept
    assert not leftover.exists()


def test_writer_that_lives_keeps_its_file_however_old_a_jumped_clock_makes_it(folder: Path) -> None:
    blobs = FileBlobs(folder)
    begun, go_on = threading.Event(), threading.Event()

    def content() -> Iterator[bytes]:
        yield b"half"
        begun.set()
        go_on.wait(240)
        yield b" and half"

    writer = threading.Thread(target=blobs.put, args=("one", content()))
    writer.start()
    begun.wait(240)
    for path in (folder / HIDDEN).iterdir():
        os.utime(path, LONG_AGO)
    FileBlobs(folder)
    go_on.set()
    writer.join(240)

    assert blobs.get("one") == b"half and half"


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let the system take no file over a megabyte: it fails in the middle, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_what_does_not_fit_is_told_in_one_sentence_and_leaves_nothing(folder: Path) -> None:
    blobs = FileBlobs(folder)
    blobs.put("one", b"before")

    with pytest.raises(BlobsUnavailable, match=r"blob 'one' .* nothing of it was kept; make room"):
        blobs.put("one", (b"x" * 500_000 for _ in range(3)))

    assert blobs.get("one") == b"before"
    assert list((folder / HIDDEN).iterdir()) == []


def test_full_disk_is_told_in_one_sentence_and_leaves_nothing(folder: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from vedette.blobs.files import FileBlobs, HIDDEN\n"
        "from vedette.domain.errors import BlobsUnavailable\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "blobs = FileBlobs(folder)\n"
        "blobs.put('one', b'before')\n"
        "try:\n"
        "    blobs.put('one', (b'x' * 500_000 for _ in range(9)))\n"
        "except BlobsUnavailable as error:\n"
        "    print(error)\n"
        "print(blobs.get('one').decode(), len(list((folder / HIDDEN).iterdir())))\n"
    )
    mounted = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    folder.mkdir()
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, "sh", str(folder), sys.executable, program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this machine lets nobody mount a small disk of their own")

    assert done.stdout.splitlines() == [
        f"blob 'one' in {folder}: the disk is full; nothing of it was kept; make room",
        "before 0",
    ]


def test_folders_without_blobs_go_too(folder: Path) -> None:
    blobs = FileBlobs(folder)
    blobs.put("predictions/a/1/x", b"1")
    blobs.put("predictions/a/2/x", b"1")

    blobs.delete(["predictions/a/1/x"])
    between = [path.name for path in (folder / "predictions" / "a").iterdir()]
    blobs.delete(["predictions/a/2/x"])

    assert between == ["2"]
    assert [path.name for path in folder.iterdir()] == [HIDDEN]


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(BlobsUnavailable, match="file"):
        FileBlobs(tmp_path / "file" / "blobs")
