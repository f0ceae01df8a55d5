"""Pulling a model of the catalog over HTTP onto the shelf: whole and of the right sum, or not."""

from __future__ import annotations

import base64
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from vedette import __version__
from vedette.detectors.catalog import CatalogModel
from vedette.detectors.shelf import Shelf, ShelfModel
from vedette.domain.errors import ConfigError, Conflict, DetectorUnavailable, ModelUnreadable

READ_BYTES = 1 << 18

Progress = Callable[[int, int], None]
"""Told bytes so far and bytes in all."""


def pull(
    model: CatalogModel,
    shelf: Shelf,
    *,
    timeout_s: float,
    models_url: str = "",
    progress: Progress | None = None,
) -> ShelfModel:
    """Bring a model onto the shelf, unless it is there. Proxies of the environment are used.

    Nothing appears under the model's name unless size and SHA-256 are right; a download that
    breaks leaves nothing behind and begins anew next time.

    Args:
        model: Which one.
        shelf: Where to.
        timeout_s: How long the other side may be silent.
        models_url: A mirror's folder to take the file from instead.
        progress: Told after every piece.

    Raises:
        Conflict: another model has that name.
        DetectorUnavailable: no connection, no such file there, or it broke off.
        ModelUnreadable: what came is another file.
        ConfigError: the mirror's address is none, or the shelf is full or cannot be written.
    """
    present = shelf.find(model.card.name)
    if present is not None:
        if present.card == model.card and present.size_bytes == model.size_bytes:
            return present
        raise Conflict(
            f"there is another model '{model.card.name}' already; first: "
            f"vedette models remove {model.card.name}"
        )
    address = _address(model, models_url)
    with shelf.draft(model.card) as draft:
        _download(model, address, draft, timeout_s=timeout_s, progress=progress)
    installed = shelf.find(model.card.name)
    assert installed is not None
    return installed


def _address(model: CatalogModel, models_url: str) -> str:
    address = f"{models_url.rstrip('/')}/{model.file_name}" if models_url else model.url
    try:
        parts = urlsplit(address)
    except ValueError:  # It quotes the address, with its password.
        raise ConfigError("VEDETTE_MODELS_URL is malformed; check its host") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"VEDETTE_MODELS_URL must be the http:// or https:// address of a folder, not "
            f"{parts.scheme or 'a bare'}:…"
        )
    return address


def _download(
    model: CatalogModel, address: str, to: Path, *, timeout_s: float, progress: Progress | None
) -> None:
    shown = _without_credentials(address)
    digest = hashlib.sha256()
    got = 0
    try:
        with (
            # The scheme was checked in `_address`; redirects lead to http and https alone.
            urllib.request.build_opener().open(_request(address), timeout=timeout_s) as answer,
            _Disk(to) as disk,
        ):
            while piece := answer.read(min(READ_BYTES, model.size_bytes + 1 - got)):
                got += len(piece)
                digest.update(piece)
                disk.write(piece)
                if progress is not None:
                    progress(min(got, model.size_bytes), model.size_bytes)
                if got > model.size_bytes:
                    break
    except _DiskError as error:
        raise error.cause from error  # The shelf tells it: its folder is full.
    except urllib.error.HTTPError as error:
        error.close()  # It holds the connection.
        raise DetectorUnavailable(
            f"model '{model.card.name}': {shown} answers {error.code} {error.reason}; "
            f"{_by_hand(model)}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise DetectorUnavailable(
            f"model '{model.card.name}': cannot be pulled from {shown}: "
            f"{_reason(error, timeout_s)}; try again, {_by_hand(model)}"
        ) from error
    if got < model.size_bytes:
        raise DetectorUnavailable(
            f"model '{model.card.name}': {shown} broke off after {got} of {model.size_bytes} "
            f"bytes; try again, {_by_hand(model)}"
        )
    if got > model.size_bytes or digest.hexdigest() != model.sha256:
        raise ModelUnreadable(
            f"model '{model.card.name}': what {shown} gives is another file than the catalog pins "
            f"by SHA-256 (a proxy's page, or a changed file); nothing was installed; "
            f"{_by_hand(model)}"
        )


class _DiskError(Exception):
    """Writing failed, as against reading from the net: both raise OSError."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Disk:
    """The file being written, with errors of its own kind."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            raise _DiskError(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, piece: bytes) -> None:
        try:
            view = memoryview(piece)
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            raise _DiskError(error) from error


def _request(address: str) -> urllib.request.Request:
    parts = urlsplit(address)
    request = urllib.request.Request(  # noqa: S310  (as above)
        _without_credentials(address), headers={"User-Agent": f"vedette/{__version__}"}
    )
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # Not sent on when the mirror redirects elsewhere.
        request.add_unredirected_header(
            "Authorization", f"Basic {base64.b64encode(pair).decode('ascii')}"
        )
    return request


def _without_credentials(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _by_hand(model: CatalogModel) -> str:
    return (
        f"or get {model.file_name} some other way and: "
        f"vedette models add FILE --name {model.card.name}"
    )


def _reason(error: OSError | http.client.HTTPException, timeout_s: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer for {timeout_s:g} s"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__
