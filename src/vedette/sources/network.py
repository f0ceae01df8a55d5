"""What streams from the network have in common."""

from __future__ import annotations

from typing import ClassVar

from vedette.domain.errors import BadInput
from vedette.sources.address import split_address
from vedette.sources.container import ContainerSource


class NetworkSource(ContainerSource):
    """A stream whose address names a host; live unless it says otherwise."""

    live_by_nature: ClassVar[bool] = True
    remote: ClassVar[bool] = True
    surely_live: ClassVar[bool] = True

    def _check(self) -> None:
        if not split_address(self._address).netloc:
            raise BadInput(f"{self.name}: the address names no host")

    def _options(self) -> dict[str, str]:
        # Half a second (in µs) and 200 kB tell what a stream is; FFmpeg would take 5 s.
        return {"analyzeduration": "500000", "probesize": "200000"}
