"""Places: what is refused before any analysis, and what is left alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vedette.domain.errors import SinkRefused
from vedette.sinks.whole import WholeFile


def test_device_is_refused_and_stays_a_device() -> None:
    with pytest.raises(SinkRefused, match="no ordinary file"):
        WholeFile(Path("/dev/null")).open()

    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.jsonl")

    with pytest.raises(SinkRefused, match="no ordinary file"):
        WholeFile(tmp_path / "out.jsonl").open()


def test_symbolic_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out.csv").write_text("old")
    (tmp_path / "out.csv").symlink_to(tmp_path / "real" / "out.csv")
    whole = WholeFile(tmp_path / "out.csv")

    whole.open().write(b"new")
    whole.appear()
    whole.close()

    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "real" / "out.csv").read_text() == "new"


def test_symbolic_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")

    with pytest.raises(SinkRefused, match=r"a\.csv"):
        WholeFile(tmp_path / "a.csv").open()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everything")
def test_write_protected_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    (tmp_path / "out.csv").chmod(0o444)

    with pytest.raises(SinkRefused, match="write-protected"):
        WholeFile(tmp_path / "out.csv").open()


def test_name_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkRefused, match="file name too long"):
        WholeFile(tmp_path / ("x" * 300)).open()


def test_file_gets_the_rights_that_any_new_file_gets(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        whole = WholeFile(tmp_path / "out.csv")
        whole.open()
        whole.appear()
        whole.close()
    finally:
        os.umask(mask)

    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o640


def test_name_is_free_for_the_next_run_once_closed(tmp_path: Path) -> None:
    for text in (b"one", b"two"):
        whole = WholeFile(tmp_path / "out.csv")
        whole.open().write(text)
        whole.appear()
        whole.close()

    assert (tmp_path / "out.csv").read_text() == "two"
