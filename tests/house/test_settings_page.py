"""The settings page says what the code says."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from vedette.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
HEAD = """# Settings

Read once at start. The setting `open_timeout_s` is the environment variable
`VEDETTE_OPEN_TIMEOUT_S`, else the key `open_timeout_s` of the TOML file that `VEDETTE_CONFIG`
names, else the default here. An unknown name or a value out of bounds is refused (exit code 2).

| setting | default | bounds | why |
|---|---|---|---|
"""


def settings_page() -> str:
    rows = []
    for one in fields(Settings):
        limits = one.metadata
        bounds = f"{limits['least']:,.12g} to {limits['most']:,.12g}" if "least" in limits else ""
        homes = {"cache_dir": "`~/.cache/vedette`", "data_dir": "`~/.local/share/vedette`"}
        default = homes.get(one.name) or f"`{one.default!r}`"
        rows.append(f"| `{one.name}` | {default} | {bounds} | {limits['why']} |\n")
    return HEAD + "".join(rows)


def test_settings_page_is_what_the_code_says() -> None:
    """To write it anew: python -m tests.house.test_settings_page."""
    assert PAGE.read_text(encoding="utf-8") == settings_page()


if __name__ == "__main__":
    PAGE.write_text(settings_page(), encoding="utf-8")
