"""`vedette up --start`: one scenario that comes with the server, once per data directory."""

from __future__ import annotations

import json
import logging
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vedette.cli import following, outcome
from vedette.cli.scenario import next_steps, truth_of
from vedette.cli.server_client import Server, scenario_path
from vedette.cli.starting import StartRequest, register
from vedette.domain.errors import NotFound, TransitionRefused, VedetteError

log = logging.getLogger(__name__)

# Which scenario was made of what was asked; the marks tell nothing of addresses.
FILE_NAME = "started.json"
FOLLOWER_END_S = 2.0

Mark = Callable[[str], str]


def start_once(server: Server, request: StartRequest, folder: Path, mark: Mark) -> str:
    """Have a scenario run that was asked for at this data directory, now or before; give its id.

    One that runs goes on; one at rest is started again.

    Args:
        server: Whom to ask.
        request: What is wanted.
        folder: The data directory.
        mark: Gives a name that only this directory's key can make.

    Raises:
        UsageError, ConfigError, EngineError: as the server says.
    """
    name = mark(_meaning(request))
    known = _read(folder)
    if name in known:
        try:
            _go_on(server, known[name])
        except NotFound:
            log.info("the scenario that was made of it is gone scenario=%s", known[name])
        else:
            return known[name]
    # The same key after a death before the note was written gives the same scenario.
    key = str(uuid.uuid4()) if name in known else f"up-{name}"
    scenario_id = str(register(server, request, key=key)["scenario_id"])
    _write(folder, {**known, name: scenario_id})
    return scenario_id


@contextmanager
def followed(server: Server, scenario_id: str, request: StartRequest) -> Iterator[None]:
    """Tell in a thread how far a scenario is, and once it rests what came out."""
    left = threading.Event()

    def body() -> None:
        try:
            _follow(server, scenario_id, request, left)
        except VedetteError as error:
            log.warning("scenario not followed any more: %s", error)

    thread = threading.Thread(target=body, name="follow", daemon=True)
    print(next_steps(scenario_id, server.address), flush=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join(FOLLOWER_END_S)


def _follow(server: Server, scenario_id: str, request: StartRequest, left: threading.Event) -> None:
    with following.make_bar(quiet=False) as view:
        scenario = following.wait_for_rest(server, scenario_id, view, pause=left.wait)
    if scenario is None:
        return
    print(outcome.ended(scenario, truth_of(request.source, request.scene)))
    print(f"\nvedette: goes on serving at {server.shown}; Ctrl-C ends it", flush=True)


def _go_on(server: Server, scenario_id: str) -> None:
    if outcome.is_at_rest(server.get(scenario_path(scenario_id))):
        with suppress(TransitionRefused):  # Somebody else was quicker.
            server.post(scenario_path(scenario_id, "start"))


def _meaning(request: StartRequest) -> str:
    """Give text that is the same for the same request; of a file, for the same bytes."""
    file = request.file
    if file is None:
        return json.dumps([request.source, request.asked()])
    seen = file.stat()
    return json.dumps([str(file.resolve()), seen.st_size, seen.st_mtime_ns, request.asked()])


def _read(folder: Path) -> dict[str, str]:
    try:
        known = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        print(f"vedette: {folder / FILE_NAME}: cannot be read: {error}", file=sys.stderr)
        return {}
    return {str(name): str(one) for name, one in known.items()} if _is_object(known) else {}


def _write(folder: Path, known: dict[str, str]) -> None:
    part = folder / f".{FILE_NAME}.part"
    part.write_text(json.dumps(known, indent=1), encoding="utf-8")
    part.replace(folder / FILE_NAME)


def _is_object(read: Any) -> bool:
    return isinstance(read, dict)
