"""All rows of the durable core, part by part."""

from __future__ import annotations

from collections.abc import Callable

from bench.core.cameras import camera_rows
from bench.core.commands import command_rows
from bench.core.durable import durable_rows
from bench.core.failover import failover_rows
from bench.core.posts import post_rows
from bench.core.rest import rest_rows
from bench.core.slow import slow_rows
from bench.core.stalls import stall_rows
from bench.core.up import up_rows
from bench.report import Row

PARTS: dict[str, Callable[[int], list[Row]]] = {
    "failover": failover_rows,
    "cameras": camera_rows,
    "stalls": stall_rows,
    "commands": command_rows,
    "posts": post_rows,
    "durable": durable_rows,
    "rest": rest_rows,
    "slow": slow_rows,
    "up": up_rows,
}


def core_rows(repeats: int) -> list[Row]:
    """Measure all parts; `repeats` makes each of them so many times as long."""
    return [row for part in PARTS.values() for row in part(repeats)]
