"""Settings → engines → roles: what the processes of a deployment are made of.

Beside `wiring.py`, which makes a single analysis, the only file that names an engine.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
import subprocess
import sys
import threading
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vedette.clock import SystemClock
from vedette.domain.errors import ConfigError, Conflict, NotFound
from vedette.domain.ids import RunnerId, SourceId, uuid7
from vedette.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from vedette.api.listening import Listen
    from vedette.api.options import ApiOptions
    from vedette.blobs.base import Blobs
    from vedette.bus.base import Bus
    from vedette.domain.frame import Frame
    from vedette.domain.model_origin import ModelOrigin
    from vedette.domain.scene import Scene
    from vedette.orchestrator.service import Orchestrator
    from vedette.results.housekeeping import Housekeeper
    from vedette.runner.agent import Runner
    from vedette.runner.ahead import Stop
    from vedette.runner.pipeline import Pipeline
    from vedette.sealing import Seal
    from vedette.store.base import Store
    from vedette.store.sqlite import SqliteStore
    from vedette.store.statements.leases import Assignment

log = logging.getLogger(__name__)

FREEZE_LOOK_S = 0.1
TOKEN_FILE = "api.token"  # noqa: S105  (a file's name)


class Engines:
    """Store, bus, blobs and secrets of one data directory; a context manager."""

    def __init__(self, settings: Settings, *, frozen: Callable[[int], None] | None = None) -> None:
        """Open them.

        Args:
            settings: Name the data directory, which is made where it is missing.
            frozen: Told the pid of a stopped process that holds the database's write lock, several
                times a second; None: only the log is told, when we ourselves wait for it.

        Raises:
            ConfigError: the directory cannot be used, or holds something foreign.
        """
        from vedette.blobs.files import FileBlobs
        from vedette.bus.local import LocalBus
        from vedette.sealing import load_seal
        from vedette.store.sqlite import SqliteStore

        self.settings = settings
        self.folder = settings.data_dir
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # First: it refuses a folder that is somebody else's.
            store = SqliteStore(self.folder, frozen=frozen)
            (self.folder / "blobs").mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(f"data directory {self.folder}: {error.strerror}") from error
        self.store: Store = store
        try:
            self.seal: Seal = load_seal(self.folder)
        except ConfigError:
            store.close()
            raise
        self._left = threading.Event()
        if frozen is not None:
            watch = partial(self._watch_writer, store, frozen)
            threading.Thread(target=watch, name="freeze-watch", daemon=True).start()
        self.bus: Bus = LocalBus(self.folder)
        self.blobs: Blobs = FileBlobs(self.folder / "blobs")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self.bus.close()
        self.store.close()
        self.blobs.close()

    def _watch_writer(self, store: SqliteStore, frozen: Callable[[int], None]) -> None:
        """See a stopped writer also while we ourselves have nothing to write."""
        while not self._left.wait(FREEZE_LOOK_S):
            pid = store.frozen_writer()
            if pid is not None:
                frozen(pid)

    def orchestrator(self) -> Orchestrator:
        """Make the role that decides."""
        from vedette.orchestrator.service import Orchestrator, OrchestratorOptions
        from vedette.store.last_words import LastWords

        settings = self.settings
        return Orchestrator(
            self.store,
            self.bus,
            SystemClock(),
            options=OrchestratorOptions(
                lease_s=settings.lease_s, deaths_max=settings.quarantine_deaths
            ),
            last_words=LastWords(self.folder),
        )

    def housekeeper(self) -> Housekeeper:
        """Make the one who settles, trims and sweeps; hosted by whoever hosts the orchestrator."""
        from vedette.results.housekeeping import Housekeeper
        from vedette.results.retention import Retention
        from vedette.results.settling import Settler

        settings = self.settings
        return Housekeeper(
            self.store,
            self.blobs,
            SystemClock(),
            settler=Settler(self.store, self.blobs),
            retention=Retention(
                self.store,
                self.blobs,
                age_s_max=settings.keep_days * 86_400 or None,
                bytes_max=settings.keep_bytes or None,
            ),
        )

    def runner(self, name: str, *, only: str | None = None) -> Runner:
        """Make the role that runs pipelines; `only` those of one source, apart from all others."""
        from vedette.results.fresh import pack
        from vedette.runner.agent import AgentOptions, Runner
        from vedette.runner.work import WorkOptions
        from vedette.store.last_words import LastWords

        settings = self.settings
        return Runner(
            RunnerId(name),
            new_id(),
            store=self.store,
            bus=self.bus,
            clock=SystemClock(),
            make=_PipelineMaker(self),
            pack=pack,
            options=AgentOptions(
                lease_s=settings.lease_s,
                renew_s=settings.lease_s / 3,
                only=None if only is None else SourceId(only),
                work=WorkOptions(
                    commit_s=settings.commit_s,
                    orphan_s=settings.orphan_s,
                    gap_max_s=settings.gap_max_s,
                ),
            ),
            last_words=LastWords(self.folder),
            spawn=None if only is not None else partial(self._spawn_apart, name),
        )

    def _spawn_apart(self, name: str, source_id: SourceId) -> subprocess.Popen[bytes]:
        apart = f"{name}-apart-{hashlib.sha256(source_id.encode()).hexdigest()[:8]}"
        words = ["runner", "--data", str(self.folder), "--name", apart, "--only", source_id]
        return subprocess.Popen(  # noqa: S603  (our own program, our own words)
            [sys.executable, "-m", "vedette", *words, "--with-parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def api(self, listen: Listen) -> FastAPI:
        """Make the role that answers people and programs; beyond loopback it asks for a token."""
        from vedette.api.app import make_app

        return make_app(
            store=self.store,
            bus=self.bus,
            blobs=self.blobs,
            seal=self.seal,
            clock=SystemClock(),
            options=self.api_options(listen),
        )

    def api_options(self, listen: Listen) -> ApiOptions:
        """Give what the settings choose of the API.

        Raises:
            ConfigError: a name or an origin can be none, or the token's file cannot be used.
        """
        from vedette.api.options import EVERY_NAME, ApiOptions, parse_hosts, parse_origins

        settings = self.settings
        token = self.token(listen)
        # Under which names others reach us is theirs to know; the token tells them apart.
        any_name = () if token is None else (EVERY_NAME,)
        folders = (one for one in settings.source_folders.split(":") if one)
        return ApiOptions(
            token=token,
            hosts=parse_hosts(settings.hosts) or any_name,
            origins=parse_origins(settings.origins),
            folders=tuple(Path(one).expanduser() for one in folders),
            upload_bytes_max=settings.upload_bytes_max,
        )

    def token(self, listen: Listen) -> str | None:
        """Give the token that callers show, made where there is none; None on loopback.

        Raises:
            ConfigError: the file that keeps it cannot be used.
        """
        return None if listen.is_loopback else load_token(self.folder / TOKEN_FILE)


class _PipelineMaker:
    """Makes the pipelines of a runner; they share models and threads."""

    def __init__(self, engines: Engines) -> None:
        from vedette.sources.shared import Switchboard
        from vedette.wiring import Wiring, make_source

        self._engines = engines
        self._wiring = Wiring(engines.settings)
        self._switchboard = Switchboard(
            partial(make_source, settings=engines.settings),
            ahead_max=engines.settings.packets_ahead_max,
        )

    def __call__(
        self,
        assignment: Assignment,
        *,
        detector: str,
        watch: Callable[[Frame, Scene], None],
        stop: Stop,
        begins: Callable[[], None],
    ) -> tuple[Pipeline, str, ModelOrigin]:
        from vedette.wiring import AnalysisRequest

        parameters = assignment.parameters
        fps = parameters.fps
        address, is_upload = self._address(assignment.address)
        request = AnalysisRequest(
            source=address,
            detector=detector or parameters.detector,
            classes=parameters.classes,
            confidence=parameters.confidence,
            fps=None if fps is None else Fraction(fps).limit_denominator(1000),
            tiles=parameters.tiles,
            plan=parameters.plan,
        )
        # Under another token it is another connection: the old one may hang.
        key = (assignment.scenario.source_id, assignment.token, request.source)
        source = self._switchboard.source(key, request.source, begins=begins)
        if is_upload:
            source.call(Path(request.source).name)
        analysis = self._wiring.analysis(
            request, watch=watch, stop=stop, begins=begins, source=source
        )
        choice = analysis.choice
        if choice.is_fallback:
            log.warning("%s scenario=%s", choice.note, assignment.scenario.id)
        return analysis.pipeline, choice.name, analysis.model

    def _address(self, written: str) -> tuple[str, bool]:
        """Give the address to open, and whether it is that of an uploaded video."""
        from vedette.store.statements.uploads import BLOB_SCHEME

        address = self._engines.seal.open(written)
        if not address.startswith(BLOB_SCHEME):
            return address, False
        key = address.removeprefix(BLOB_SCHEME)
        path = self._engines.blobs.local_path(key)
        if path is None:
            raise NotFound(f"the uploaded video '{key}' is gone")
        return str(path), True


def load_token(path: Path) -> str:
    """Give the token in a file that its owner alone can read, making it where there is none.

    Raises:
        ConfigError: it can be neither read nor made.
    """
    from vedette.sealing import load_secret

    held = load_secret(path, lambda: secrets.token_urlsafe(32).encode())
    try:
        return held.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is no token; delete it to have a new one made") from error


class UpLock:
    """One `vedette up` per data directory; whoever comes second is told who holds it."""

    def __init__(self, folder: Path, holder: str) -> None:
        """Take it.

        Raises:
            Conflict: another process has it.
            ConfigError: the directory cannot be used.
        """
        self._path = folder / "up.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"data directory {folder}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who = os.pread(self._descriptor, 200, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise Conflict(
                f"data directory {folder}: `vedette up` runs there already ({who}); "
                "stop it, or name another directory with --data"
            ) from error
        self.say(holder)

    def say(self, holder: str) -> None:
        """Write who holds it, for whoever comes second."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, holder.encode(), 0)

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)


def new_id() -> str:
    """Give a new UUIDv7."""
    moment = SystemClock().now()
    return uuid7(int(moment.timestamp() * 1000), secrets.token_bytes(10))
