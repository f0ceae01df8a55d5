"""Uploaded videos: from the network to the blobs, piece by piece, never whole anywhere between.

The parser of the form hands each piece on as it comes; a thread writes them as one blob. Between
both is a bounded queue: who sends faster than the disk writes is made to wait. What is cut off, too
large or no form leaves nothing, for a blob appears whole or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message as Header
from pathlib import PurePosixPath

import anyio
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.requests import ClientDisconnect, Request

from vedette.api.parts import Parts
from vedette.api.problems import CutOff, Unreadable
from vedette.domain.errors import BadInput, BlobsUnavailable, TooLarge, VedetteError
from vedette.store.statements.uploads import PREFIX

VIDEO_FIELD = "video"
# The caller is told what is wrong with a form; a line for each would let anybody fill our log.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
# What one piece for the disk holds, and how many may wait for it: 4 MiB per upload.
_PIECE_BYTES = 1 << 20
_PIECES_MAX = 4
_FIELDS_MAX = 32
_NAME_CHARACTERS_MAX = 100


@dataclass(frozen=True, slots=True)
class Upload:
    """A video that was stored.

    Attributes:
        key: The blob's.
        name: Of the file, as far as it is harmless.
        size_bytes: How many.
        sha256: Of its bytes, in hexadecimal.
    """

    key: str
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Received:
    """A whole form."""

    fields: dict[str, str]
    upload: Upload | None


async def receive(request: Request, parts: Parts) -> Received:
    """Take in a multipart form; a file in its field `video` goes to the blobs.

    Raises:
        CutOff: the caller sent less than it promised, or nothing for too long.
        Unreadable: it is no multipart form.
        BadInput: a field stands there twice, or another field holds a file.
        TooLarge: the video, or all else, is more than may be.
        BlobsUnavailable: the video cannot be stored.
    """
    form = _Form(request, parts)
    try:
        await _read(request, form, parts.options.upload_silence_s)
        return Received(form.texts(), await form.stored())
    except BaseException as error:
        await form.abandon(error)
        raise


async def discard(upload: Upload | None, parts: Parts) -> None:
    """Delete a stored video that nothing will refer to."""
    if upload is None:
        return
    with contextlib.suppress(BlobsUnavailable):  # It is collected with what else is orphaned.
        await asyncio.get_running_loop().run_in_executor(
            parts.threads, parts.blobs.delete, [upload.key]
        )


async def _read(request: Request, form: _Form, silence_s: float) -> None:
    stream = request.stream()
    try:
        while True:
            async with asyncio.timeout(silence_s):
                chunk = await anext(stream, None)
            if chunk is None:
                break
            form.parse(chunk)
            await form.hand_on()
    except TimeoutError:
        raise CutOff(f"the upload sent nothing for {silence_s:g} s and was given up") from None
    except ClientDisconnect:
        raise CutOff("the upload was cut off") from None
    if not form.ended:
        raise CutOff("the form ends before its last boundary; the upload was cut off")


class _Form:
    """A multipart form in the making."""

    def __init__(self, request: Request, parts: Parts) -> None:
        content_type = Header()
        content_type["content-type"] = request.headers.get("content-type", "")
        boundary = content_type.get_param("boundary")
        if not isinstance(boundary, str) or not boundary:
            raise Unreadable("the multipart form names no boundary")
        self.ended = False
        self._parts = parts
        self._fields: dict[str, bytearray] = {}
        self._text_bytes = 0
        self._header = (bytearray(), bytearray())
        self._disposition = ""
        self._name = ""
        self._is_video = False
        self._video: _Video | None = None
        try:
            self._parser = MultipartParser(
                boundary.encode("latin-1"),
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._part_named,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_ends,
                    "on_end": self._form_ends,
                },
            )
        except (FormParserError, UnicodeEncodeError) as error:
            raise Unreadable("the multipart form's boundary cannot be used") from error

    def parse(self, chunk: bytes) -> None:
        """Take in what came."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Unreadable(f"the body is no multipart form: {error}") from error

    async def hand_on(self) -> None:
        """Give the disk what is there for it; waits while it is behind."""
        if self._video is not None:
            await self._video.hand_on()

    def texts(self) -> dict[str, str]:
        """Give the fields that are no files."""
        try:
            return {name: bytes(value).decode() for name, value in self._fields.items()}
        except UnicodeDecodeError as error:
            raise Unreadable("a field of the form is no UTF-8") from error

    async def stored(self) -> Upload | None:
        """Give the video once all its bytes are stored; None where the form had none."""
        return None if self._video is None else await self._video.stored()

    async def abandon(self, error: BaseException) -> None:
        """See that nothing of the video stays."""
        if self._video is not None:
            await self._video.abandon(error)

    # What the parser tells, in this order.

    def _part_begins(self) -> None:
        self._header = (bytearray(), bytearray())
        self._disposition = self._name = ""
        self._is_video = False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_ends(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value.decode("utf-8", "replace")
        self._header = (bytearray(), bytearray())

    def _part_named(self) -> None:
        said = Header()
        said["content-disposition"] = self._disposition
        name = said.get_param("name", header="content-disposition")
        self._name = name if isinstance(name, str) else ""
        file_name = said.get_filename()
        if not self._name:
            raise Unreadable("a part of the form has no name")
        if self._name in self._fields or (self._name == VIDEO_FIELD and self._video):
            raise BadInput(f"field '{self._name[:100]}' stands in the form twice; give it once")
        self._is_video = self._name == VIDEO_FIELD
        if self._is_video:
            self._video = _Video(self._parts, safe_name(file_name or ""))
        elif file_name is not None:
            raise BadInput(
                f"field '{self._name[:100]}' holds a file; a video goes into '{VIDEO_FIELD}'"
            )
        elif len(self._fields) >= _FIELDS_MAX:
            raise BadInput(f"a form has at most {_FIELDS_MAX} fields")
        else:
            self._fields[self._name] = bytearray()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_video and self._video is not None:
            self._video.add(data[start:end])
            return
        self._text_bytes += end - start
        if self._text_bytes > self._parts.options.body_bytes_max:
            most = self._parts.options.body_bytes_max
            raise TooLarge(f"the fields beside the video have at most {most} bytes")
        self._fields[self._name].extend(data[start:end])

    def _part_ends(self) -> None:
        if self._is_video and self._video is not None:
            self._video.end()

    def _form_ends(self) -> None:
        self.ended = True


class _Video:
    """A video on its way to the blobs."""

    def __init__(self, parts: Parts, name: str) -> None:
        self._parts = parts
        self._name = name
        self._key = f"{PREFIX}{parts.new_id()}/{name}"
        self._most = parts.options.upload_bytes_max
        self._size_bytes = 0
        self._sha256 = hashlib.sha256()
        self._gathered = bytearray()
        self._whole = False
        self._waiting: deque[bytes | None] = deque()
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._job = parts.threads.submit(self._write)
        self._written = asyncio.wrap_future(self._job)
        self._written.add_done_callback(lambda _: self._room.set())

    def add(self, piece: bytes) -> None:
        """Take in some bytes."""
        self._size_bytes += len(piece)
        if self._size_bytes > self._most:
            raise TooLarge(f"the video is larger than {self._most} bytes")
        self._gathered += piece

    def end(self) -> None:
        """There are no more bytes."""
        self._whole = True

    async def hand_on(self) -> None:
        """Give whole pieces to the thread that writes; wait while too many lie there."""
        if len(self._gathered) < _PIECE_BYTES and not self._whole:
            return
        if self._gathered:
            piece, self._gathered = bytes(self._gathered), bytearray()
            self._put(piece)
        while len(self._waiting) >= _PIECES_MAX and not self._written.done():
            self._room.clear()
            await self._room.wait()
        if self._written.done():
            await self._written  # Raises why the disk takes no more.

    async def stored(self) -> Upload:
        """Give what is stored."""
        await self.hand_on()
        self._put(None)
        await self._written
        if not self._size_bytes:
            await self._delete()
            raise BadInput("the uploaded video is empty")
        return Upload(self._key, self._name, self._size_bytes, self._sha256.hexdigest())

    async def abandon(self, error: BaseException) -> None:
        """Have the thread stop; what it wrote vanishes, unless it was done already."""
        with self._changed:
            self._failure = error
            self._changed.notify()
        if self._job.cancel():
            return  # It had not begun.
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(_Abandoned, VedetteError):
                await self._written
                await self._delete()

    async def _delete(self) -> None:
        with contextlib.suppress(BlobsUnavailable):
            await self._loop.run_in_executor(
                self._parts.threads, self._parts.blobs.delete, [self._key]
            )

    def _put(self, piece: bytes | None) -> None:
        with self._changed:
            self._waiting.append(piece)
            self._changed.notify()

    # In a thread of its own.

    def _write(self) -> int:
        return self._parts.blobs.put(self._key, self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        while True:
            with self._changed:
                while not self._waiting and self._failure is None:
                    self._changed.wait()
                if self._failure is not None:
                    raise _Abandoned
                piece = self._waiting.popleft()
            if piece is None:
                return
            self._sha256.update(piece)
            yield piece
            self._loop.call_soon_threadsafe(self._room.set)


class _Abandoned(Exception):
    """Nobody wants it any more."""


def safe_name(name: str) -> str:
    """Give what of a file's name can be part of a key anywhere: letters, digits, `.`, `_`, `-`."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.")
    return kept[-_NAME_CHARACTERS_MAX:].strip("-.") or "video"
