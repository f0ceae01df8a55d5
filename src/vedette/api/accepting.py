"""What is accepted from outside: each in one durable transaction, then decided by others.

A state that is shown is the one that follows once the waiting commands are decided: they were
accepted, so nothing else can become of them, and whoever asked sees that it was heard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from vedette.api.asking import CommandKind, ScenarioAsked, idempotency_key
from vedette.api.parts import Parts
from vedette.api.uploads import Upload
from vedette.domain.errors import BadInput, TransitionRefused
from vedette.domain.ids import ScenarioId, SourceId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, StartAsked, StopAsked, decide
from vedette.sources.address import scheme_of, stream_name, without_credentials
from vedette.sources.policy import check_address, file_path
from vedette.store.base import Transaction
from vedette.store.statements import uploads
from vedette.store.statements.idempotency import remember, remembered
from vedette.store.statements.overview import source_exists, source_row
from vedette.store.statements.scenarios import (
    START,
    add_command,
    add_scenario,
    add_source,
    command_waits,
    get_scenario,
)

# One camera is opened once, whoever asks for it; what is behind HTTP may be a file.
_LIVE_SCHEMES = frozenset({"rtsp", "rtsps", "udp"})

Answered = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source as it will be written down, unless there is one of that id."""

    id: SourceId
    name: str
    address: str


def source_of_upload(upload: Upload, parts: Parts) -> NewSource:
    """Give the source that reads an uploaded video."""
    return NewSource(SourceId(parts.new_id()), upload.name, f"{uploads.BLOB_SCHEME}{upload.key}")


def source_of_address(address: str, parts: Parts) -> NewSource:
    """Check an address and give the source that opens it; asks for names, so it may block.

    Raises:
        BadInput, Forbidden: see `sources/policy.py`.
    """
    options = parts.options
    check_address(address, folders=options.folders, schemes=options.schemes)
    scheme = scheme_of(address)
    if not scheme:
        # The file itself, so that a link that is changed later leads nowhere else.
        path = file_path(address, options.folders)
        return NewSource(SourceId(parts.new_id()), path.name, str(path))
    live = scheme in _LIVE_SCHEMES
    source_id = f"live-{parts.seal.mark(address)}" if live else parts.new_id()
    secret = without_credentials(address) != address
    return NewSource(
        SourceId(source_id),
        stream_name(address),
        parts.seal.seal(address) if secret else address,
    )


def new_scenario(
    scenario_id: ScenarioId, source: NewSource | SourceId, parameters: Parameters
) -> Callable[[Transaction], Answered]:
    """Give the transaction that accepts a scenario and its first start.

    Raises:
        NotFound: (by the transaction) there is no such source.
    """

    def work(transaction: Transaction) -> Answered:
        if isinstance(source, NewSource):
            source_id = source.id
            if not source_exists(transaction, source_id):
                add_source(transaction, source_id, name=source.name, address=source.address)
        else:
            source_id = source_row(transaction, source).id
        scenario = Scenario(scenario_id, source_id)
        add_scenario(transaction, scenario, parameters)
        add_command(transaction, scenario_id, START)
        return _accepted(decide(scenario, StartAsked()))

    return work


def command(scenario_id: str, kind: CommandKind) -> Callable[[Transaction], Answered]:
    """Give the transaction that accepts a command.

    Raises:
        NotFound: (by the transaction) there is no such scenario.
        TransitionRefused: (by the transaction) a start of what runs already.
    """

    def work(transaction: Transaction) -> Answered:
        written = get_scenario(transaction, scenario_id).scenario
        present = foreseen(written, command_waits(transaction, written.id))
        after = decide(present, StartAsked() if kind is CommandKind.START else StopAsked())
        add_command(transaction, written.id, str(kind))
        return _accepted(after)

    return work


def foreseen(scenario: Scenario, waiting: Sequence[str]) -> Scenario:
    """Give the scenario once the commands that wait are decided."""
    for kind in waiting:
        try:
            scenario = decide(scenario, StartAsked() if kind == START else StopAsked())
        except TransitionRefused:
            continue  # It went up meanwhile; the orchestrator will say the same.
    return scenario


async def accept(
    request: Request,
    parts: Parts,
    work: Callable[[Transaction], Answered],
    *,
    asked: object,
) -> tuple[Answered, bool]:
    """Carry out a transaction, or give what was answered to its idempotency key before.

    Args:
        request: Its key, method and path count.
        parts: Where to.
        work: The transaction; gives status and answer.
        asked: What the request asks, as JSON can say it; the same for the same request.

    Returns:
        Status and answer, and whether they were given before.

    Raises:
        Conflict: the key came with another request.
        BadInput: the key cannot be one.
        StoreUnavailable: nothing was accepted.
    """
    key = idempotency_key(request)
    if key is None:
        return await parts.store.awrite(work, durable=True), False
    said = json.dumps([request.method, request.url.path, asked], sort_keys=True)
    fingerprint = hashlib.sha256(said.encode()).hexdigest()

    def once(transaction: Transaction) -> tuple[Answered, bool]:
        before = remembered(transaction, key, fingerprint)
        if before is not None:
            return (before.status, json.loads(before.text)), True
        status, answer = work(transaction)
        remember(transaction, key, fingerprint, status, json.dumps(answer))
        return (status, answer), False

    return await parts.store.awrite(once, durable=True)


def one_source(asked: ScenarioAsked, upload: Upload | None) -> None:
    """See that exactly one source is named.

    Raises:
        BadInput: none is, or several are.
    """
    named = [asked.url is not None, asked.source_id is not None, upload is not None]
    if sum(named) != 1:
        raise BadInput("name one source: a video as 'video', or a 'url', or a 'source_id'")


def _accepted(scenario: Scenario) -> Answered:
    return 202, {"scenario_id": str(scenario.id), "status": str(scenario.state)}
