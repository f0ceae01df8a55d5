"""The API is what its OpenAPI document says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .conftest import Running

TOKEN = "a-token"
# Requests per operation beside those that walk along every bound; each takes some milliseconds.
EXAMPLES = 3
# What has the right form may still mean nothing: a scene whose zone is a line, two sources at once.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "415", "422"]
"""


def test_every_operation_says_what_it_answers_and_has_a_name(server: Running) -> None:
    described = server.client.get("/api/v1/openapi.json").json()

    operations = [
        (path, method, operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
    ]
    names = [operation["operationId"] for *_, operation in operations]
    assert len(set(names)) == len(names) == len(operations)
    for path, method, operation in operations:
        refused = {"400", "401", "403", "422", "500", "503"} - operation["responses"].keys()
        assert refused == set(), (path, method)
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert answer["content"].keys() == {"application/problem+json"}
    for path in (
        "/scenario/", "/scenario/{scenario_id}/", "/prediction/{scenario_id}/",
        "/api/v1/scenarios", "/api/v1/sources", "/api/v1/counts", "/api/v1/events",
        "/api/v1/tasks", "/healthz", "/readyz", "/metrics",
    ):  # fmt: skip
        assert path in described["paths"]


def test_the_document_names_the_token_where_one_is_asked_for(
    serve: Callable[..., Running],
) -> None:
    server = serve(token=TOKEN)

    described = server.client.get(
        "/api/v1/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}
    ).json()

    assert described["security"] == [{"token": []}]


def test_nothing_that_can_be_asked_breaks_it(server: Running, tmp_path: Path) -> None:
    server.run(server.start()).commit(5, events=3)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG, encoding="ascii")
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run",
        f"{server.url}/api/v1/openapi.json", "--max-examples", str(EXAMPLES), "--seed", "1",
        "--phases", "coverage,fuzzing", "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    # Two processes, for threads of one disturb each other's parsing in Python 3.11.
    halves = [
        subprocess.Popen(
            [*command, choice, "^/(scenario|prediction|api/v1/scenarios)"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for choice in ("--include-path-regex", "--exclude-path-regex")
    ]  # fmt: skip

    try:
        told = [half.communicate(timeout=230)[0] for half in halves]
    finally:
        for half in halves:
            half.kill()

    for half, text in zip(halves, told, strict=True):
        assert half.returncode == 0, text[-6000:]
    tried = [int(number) for text in told for number in re.findall(r"Tested: (\d+)", text)]
    described = server.client.get("/api/v1/openapi.json").json()["paths"]
    assert sum(tried) == sum(len(operations) for operations in described.values())
