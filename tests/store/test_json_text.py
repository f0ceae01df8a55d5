"""Parameters as they lie in the store."""

from __future__ import annotations

import json

from vedette.domain.parameters import Parameters
from vedette.domain.tiles import Tiles
from vedette.store.statements.json_text import parameters_from, parameters_text


def test_parameters_are_read_as_they_were_written() -> None:
    for parameters in (Parameters(), Parameters(detector="x", fps=2.5, tiles=Tiles(3, 2))):
        assert parameters_from(parameters_text(parameters)) == parameters


def test_a_scenario_made_before_there_were_tiles_is_read_and_written_the_same() -> None:
    text = parameters_text(Parameters())

    assert "tiles" not in json.loads(text)
    assert parameters_from(text).tiles is None
