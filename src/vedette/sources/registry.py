"""Which source opens an address: its scheme decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from vedette.domain.errors import BadInput
from vedette.sources.address import scheme_of, without_credentials
from vedette.sources.base import Source

FILE = "file"
WEBCAM = "webcam"
"""No real scheme: what `/dev/video0` is looked up under."""

_WEBCAM_PATH = re.compile(r"/dev/video\d+")


class SourceRegistry:
    """A fixed table from scheme to constructor; wiring fills it."""

    def __init__(self, constructors: Mapping[str, Callable[[str], Source]]) -> None:
        self._constructors = dict(constructors)

    def source(self, address: str) -> Source:
        """Give the source, not yet open, of an address or a path.

        Raises:
            BadInput: the address is empty or of a scheme that Vedette does not open.
        """
        if not address:
            raise BadInput(
                "no source named; give a file, an address such as rtsp://, or /dev/video0"
            )
        kind = self._kind(address)
        if kind not in self._constructors:
            raise BadInput(
                f"{without_credentials(address)}: '{kind}:' is not opened; "
                f"name a file or one of {self.allowed()}"
            )
        return self._constructors[kind](address)

    def allowed(self) -> str:
        """Give the schemes for people: `http://, rtsp://, …`."""
        kinds = [f"{kind}://" for kind in sorted(self._constructors) if kind != WEBCAM]
        if WEBCAM in self._constructors:
            kinds.append("/dev/video0")
        return ", ".join(kinds)

    def _kind(self, address: str) -> str:
        if _WEBCAM_PATH.fullmatch(address):
            return WEBCAM
        scheme = scheme_of(address)
        # The name of a file may hold a colon.
        named = scheme and scheme not in self._constructors and "://" not in address
        return FILE if not scheme or (named and Path(address).exists()) else scheme
