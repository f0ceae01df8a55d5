"""What keeps the house in order and no linter checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "vedette"
BANNED_NAMES = {"utils", "helpers", "common", "misc", "manager", "data", "info", "handler"}
# A file over this needs a reason, written here.
LINES_MAX = 400
LONG_FILES = {
    "sources/container.py": "one container from open to close, and who may close it when",
    "wiring.py": "a line or two for every engine and option there is",
}
ROOMS = (
    "api", "orchestrator", "runner", "results", "sources", "detectors", "analytics", "sinks",
    "store", "bus", "blobs", "training",
)  # fmt: skip
HEAVY = (
    "av", "cv2", "numpy", "onnx", "onnxruntime", "pyarrow", "yaml", "rich", "httpx", "websockets",
    "fastapi", "sqlalchemy", "uvicorn", "torch",
)  # fmt: skip


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_no_file_has_a_name_that_says_nothing() -> None:
    offenders = [path for path in python_files() if path.stem in BANNED_NAMES]

    assert offenders == []


def test_files_stay_short_or_say_why() -> None:
    long = {
        str(path.relative_to(PACKAGE))
        for path in python_files()
        if len(path.read_text(encoding="utf-8").splitlines()) > LINES_MAX
    }

    assert long - LONG_FILES.keys() == set()


def test_every_file_begins_by_saying_what_it_is() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path in python_files()
        if not path.read_text(encoding="utf-8").startswith('"""')
    ]

    assert silent == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run"],
        ["up"],
        ["scenario"],
        ["scenario", "start"],
        ["models"],
        ["models", "pull"],
        ["train"],
    ],
)
def test_help_imports_no_room_and_nothing_heavy(words: list[str]) -> None:
    watch = (
        "import sys\n"
        "from vedette.cli.app import app\n"
        f"app({[*words, '--help']!r}, prog_name='vedette', standalone_mode=False)\n"
        "print('LOADED', *sys.modules)\n"
    )

    out = subprocess.run(
        [sys.executable, "-c", watch], capture_output=True, text=True, check=True, timeout=240
    ).stdout

    loaded = out.split("LOADED", 1)[1].split()
    rooms = [name for name in loaded if name.startswith(tuple(f"vedette.{r}" for r in ROOMS))]
    assert rooms == []
    assert [name for name in HEAVY if name in loaded] == []


def test_every_verb_shows_an_example_in_its_help() -> None:
    for words in (
        ["run"], ["up"], ["runner"], ["scenario", "start"], ["scenario", "stop"],
        ["scenario", "list"], ["scenario", "show"], ["scenario", "watch"], ["scenario", "export"],
        ["models", "list"], ["models", "show"], ["models", "pull"], ["models", "add"],
        ["train"],
    ):  # fmt: skip
        out = subprocess.run(
            [sys.executable, "-m", "vedette", *words, "--help"],
            capture_output=True, text=True, check=True, timeout=240,
        ).stdout  # fmt: skip

        assert re.search(r"Example", out), words


def test_no_committed_file_names_a_package_registry() -> None:
    # Put together here, so that this file does not name one either.
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org"]
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode != 0:
        pytest.skip("this is no git checkout")

    offenders = [
        name
        for name in filter(None, tracked.stdout.split("\0"))
        if (ROOT / name).is_file()
        and any(host.encode() in (ROOT / name).read_bytes() for host in hosts)
    ]

    assert offenders == []


def test_links_in_the_docs_lead_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        broken += [
            f"{page.relative_to(ROOT)} → {target}"
            for target in targets
            if "://" not in target and not (page.parent / target).exists()
        ]

    assert broken == []


def test_only_parts_that_the_tests_know_are_required() -> None:
    required = {part for part in os.environ.get("VEDETTE_REQUIRE", "").split(",") if part}

    assert required <= {"rtsp", "data", "train"}
