"""The API is what its OpenAPI document says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from .conftest import Running

TOKEN = "a-token"
# Shortly before the deadline of a test; each example is a request over loopback.
EXAMPLES = 12


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
        "/api/v1/scenarios", "/api/v1/counts", "/api/v1/events", "/api/v1/tasks",
        "/healthz", "/readyz", "/metrics",
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


@pytest.mark.timeout(240)
def test_nothing_that_can_be_asked_breaks_it(serve: Callable[..., Running]) -> None:
    server = serve()
    scenario_id = server.start()
    server.run(scenario_id).commit(5, events=3)
    schema = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")
    # What has the right form may still mean nothing: a scene whose zone is a line, two sources.
    schema.config.checks.update(
        positive_data_acceptance={
            "expected-statuses": ["2xx", "401", "403", "404", "409", "415", "422"]
        }
    )
    tried = []

    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate()

        tried.append(operation.label)
        operation.as_strategy()
    assert tried
