"""`vedette up` and its roles as processes of their own."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.exits import tells_errors
from vedette.domain.errors import EngineError, VedetteError

if TYPE_CHECKING:
    from vedette.api.listening import Listen
    from vedette.cli.starting import StartRequest
    from vedette.roles import Engines
    from vedette.settings import Settings

log = logging.getLogger(__name__)

UP_EXAMPLES = (
    "Example: vedette up --data ./vedette-data --start door.mp4 --scene door.yaml    "
    "(look at it with: vedette scenario list)"
)
ROLE_EXAMPLES = "Example: vedette runner --data ./vedette-data --name runner-2"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What an ordered end may take in all is 10 s; the last part of it is the store's.
API_END_S = 2.0
ROLE_END_S = 8.0
PARENT_LOOK_S = 0.5
REGISTERED_LOOK_S = 0.01

Data = Annotated[Path | None, typer.Option("--data", help="The data directory.", metavar="DIR")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Tell what changes.")]


@tells_errors
def up(
    data: Data = None,
    listen: Annotated[
        str | None, typer.Option(help="Where the API listens.", metavar="HOST:PORT")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Have this file or address analysed from the start.", metavar="SOURCE"),
    ] = None,
    scene: Annotated[
        Path | None, typer.Option(help="Zones and lines for --start, as YAML.", metavar="FILE")
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(help="For --start: auto, motion or a model's name.", metavar="NAME"),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Start everything in one process: API, orchestrator, runner, database and files."""
    _set_up_logging(verbose)
    request = _start_request(start, scene, detector)
    settings = _settings(data, listen)
    from vedette.api.listening import listening_socket, parse_listen
    from vedette.roles import Engines, UpLock

    where = parse_listen(settings.listen)
    with ExitStack() as stack:
        lock = UpLock(settings.data_dir, f"pid {os.getpid()}")
        stack.callback(lock.release)
        taken = listening_socket(where)
        stack.callback(taken.close)
        where = type(where)(where.host, taken.getsockname()[1])
        lock.say(f"pid {os.getpid()}, {where.url}")
        engines = stack.enter_context(Engines(settings, frozen=_FrozenKiller(settings.lease_s / 2)))
        before, after = engines.store.migrate()
        if before not in {None, after}:
            print(f"the database was brought from schema {before} to {after}", file=sys.stderr)
        stop = stack.enter_context(_stopping())
        stack.enter_context(_role("orchestrator", engines.orchestrator(), stop))
        stack.enter_context(_role("housekeeper", engines.housekeeper(), stop))
        runner = engines.runner("local")
        stack.enter_context(_role("runner", runner, stop))
        _tell_token(engines, where)
        stack.enter_context(_served(engines, where, taken, stop))
        print(f"vedette: listening on {where.url}, data in {settings.data_dir}", flush=True)
        if request is not None:
            stack.enter_context(_first_scenario(engines, where, request))
        stop.wait()
        # It takes longest, so it begins to end before those who are waited for first.
        runner.stop()


@tells_errors
def api(
    data: Data = None,
    listen: Annotated[
        str | None, typer.Option(help="Where it listens.", metavar="HOST:PORT")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Answer people and programs over HTTP; one role of `vedette up`."""
    _set_up_logging(verbose)
    settings = _settings(data, listen)
    from vedette.api.listening import listening_socket, parse_listen

    where = parse_listen(settings.listen)
    with _engines(settings) as engines, _stopping() as stop:
        taken = listening_socket(where)
        _tell_token(engines, where)
        with _served(engines, where, taken, stop):
            url = type(where)(where.host, taken.getsockname()[1]).url
            print(f"vedette api: listening on {url}", flush=True)
            stop.wait()


@tells_errors
def orchestrator(data: Data = None, verbose: Verbose = False) -> None:
    """Decide what runs where; one role of `vedette up`."""
    _set_up_logging(verbose)
    settings = _settings(data, None)
    with (
        # Who takes work away from the silent also ends those who hold all others up.
        _engines(settings, frozen=_FrozenKiller(settings.lease_s / 2)) as engines,
        _stopping() as stop,
        _role("orchestrator", engines.orchestrator(), stop),
        _role("housekeeper", engines.housekeeper(), stop),
    ):
        print("vedette orchestrator: ready", flush=True)
        stop.wait()


@tells_errors
def runner(
    data: Data = None,
    name: Annotated[
        str | None, typer.Option(help="Its name, unique among runners.", metavar="NAME")
    ] = None,
    only: Annotated[str | None, typer.Option(hidden=True)] = None,
    with_parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    verbose: Verbose = False,
) -> None:
    """Run pipelines; one role of `vedette up`."""
    _set_up_logging(verbose)
    settings = _settings(data, None)
    chosen = name or f"{socket.gethostname()}-{os.getpid()}"
    with _engines(settings) as engines, _stopping() as stop, _ending_with(with_parent, stop):
        role = engines.runner(chosen, only=only)
        with _role("runner", role, stop):
            while not role.is_registered and not stop.wait(REGISTERED_LOOK_S):
                pass
            if role.is_registered:
                print(f"vedette runner {chosen}: ready", flush=True)
            stop.wait()


@tells_errors
def migrate(data: Data = None) -> None:
    """Bring the database's schema to this program's version."""
    settings = _settings(data, None)
    from vedette.roles import Engines

    with Engines(settings) as engines:
        before, after = engines.store.migrate()
    if before == after:
        print(f"schema {after}: nothing to do")
    else:
        print(f"schema {before or 'none'} -> {after}")


@contextmanager
def _engines(
    settings: Settings, *, frozen: Callable[[int], None] | None = None
) -> Iterator[Engines]:
    from vedette.roles import Engines

    with Engines(settings, frozen=frozen) as engines:
        engines.store.migrate()
        yield engines


def _start_request(
    start: str | None, scene: Path | None, detector: str | None
) -> StartRequest | None:
    """Give what --start asks for, having seen that its files are there."""
    if start is None:
        if scene is not None or detector is not None:
            from vedette.domain.errors import BadInput

            raise BadInput("--scene and --detector say how --start looks; name a source with it")
        return None
    from vedette.cli.starting import StartRequest, read_scene_text

    request = StartRequest(source=start, scene=read_scene_text(scene), detector=detector or "auto")
    _ = request.file
    return request


def _tell_token(engines: Engines, where: Listen) -> None:
    """Show the token of callers from elsewhere when it is made, and later where it is kept."""
    from vedette.roles import TOKEN_FILE

    path = engines.folder / TOKEN_FILE
    is_new = not path.exists()
    token = engines.token(where)
    if token is not None:
        told = f"{token} (kept in {path})" if is_new else f"see {path}"
        print(f"vedette: callers show a token: {told}", flush=True)


@contextmanager
def _first_scenario(engines: Engines, where: Listen, request: StartRequest) -> Iterator[None]:
    from vedette.cli.first_scenario import followed, start_once
    from vedette.cli.server_client import Server

    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what it listens on)
    ours = type(where)(everywhere.get(where.host, where.host), where.port)
    with Server(ours.url, token=engines.token(where) or "") as server:
        scenario_id = start_once(server, request, engines.folder, engines.seal.mark)
        with followed(server, scenario_id, request):
            yield


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Give an event that a signal sets; a second signal ends the process as it stands."""
    stop = threading.Event()

    def asked(number: int, _: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    before = {one: signal.signal(one, asked) for one in STOPPING}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _ending_with(parent: int | None, stop: threading.Event) -> Iterator[None]:
    """End in order when the process that started us has gone."""

    def watch() -> None:
        while os.getppid() == parent and not stop.wait(PARENT_LOOK_S):
            pass
        stop.set()

    if parent is not None:
        threading.Thread(target=watch, name="parent", daemon=True).start()
    yield


@contextmanager
def _role(name: str, role: Any, stop: threading.Event) -> Iterator[None]:
    """Run a role in a thread; one that dies ends the process, for half a house is none.

    Raises:
        VedetteError: (when all has ended) the one the role died of.
    """
    died: list[VedetteError] = []

    def body() -> None:
        try:
            role.run()
        except VedetteError as error:
            died.append(error)
        except Exception:
            log.exception("role died role=%s", name)
            died.append(EngineError(f"the {name} died of an error inside Vedette; see above"))
        finally:
            stop.set()

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        role.stop()
        thread.join(ROLE_END_S)
        if thread.is_alive():
            log.error("role did not end in time role=%s", name)
    if died:
        raise died[0]


@contextmanager
def _served(
    engines: Engines, where: Listen, taken: socket.socket, stop: threading.Event
) -> Iterator[None]:
    import uvicorn

    config = uvicorn.Config(
        engines.api(where),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=int(API_END_S),
        ws_max_size=65536,
    )
    server = uvicorn.Server(config)

    def body() -> None:
        try:
            server.run(sockets=[taken])
        finally:
            stop.set()

    thread = threading.Thread(target=body, name="api", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(API_END_S + 1)


class _FrozenKiller:
    """Ends a stopped process that holds the write lock for long: all others wait for it.

    Nothing it held is lost: what it had not committed is found again from its checkpoints.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._pid = 0
        self._since_s = 0.0
        self._told_s = 0.0

    def __call__(self, pid: int) -> None:
        now_s = time.monotonic()
        if pid != self._pid or now_s - self._told_s > self._patience_s:
            self._pid, self._since_s = pid, now_s
        self._told_s = now_s
        if now_s - self._since_s < self._patience_s:
            return
        log.error("killing a stopped process that holds the database's write lock pid=%d", pid)
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError as error:
            log.error("it could not be killed pid=%d: %s", pid, error.strerror)  # noqa: TRY400


def _settings(data: Path | None, listen: str | None) -> Settings:
    import dataclasses

    from vedette.settings import load_settings

    settings = load_settings()
    if data is not None:
        settings = dataclasses.replace(settings, data_dir=data.absolute())
    if listen is not None:
        settings = dataclasses.replace(settings, listen=listen)
    return settings


def _set_up_logging(verbose: bool) -> None:
    from vedette.telemetry import set_up_logging

    set_up_logging("info" if verbose else "warning")


Verb = Callable[..., None]
VERBS: tuple[tuple[str, Verb, str], ...] = (
    ("up", up, UP_EXAMPLES),
    ("api", api, ROLE_EXAMPLES.replace("runner --", "api --").replace("--name runner-2", "")),
    ("orchestrator", orchestrator, "Example: vedette orchestrator --data ./vedette-data"),
    ("runner", runner, ROLE_EXAMPLES),
    ("migrate", migrate, "Example: vedette migrate --data ./vedette-data"),
)
