"""The reference of the log knows every event that the code tells of, and no other."""

import re

from tests.unit.docs.pages import ROOT, page, table_rows

EVENT = re.compile(r'\b(?:log|write)\.?\w*\(\s*"([a-z_]+(?:\.[a-z_]+)?)"')


def test_every_event_is_documented_and_nothing_else() -> None:
    files = [file for place in ("app", "workers") for file in (ROOT / place).rglob("*.py")]
    told = {event for file in files for event in EVENT.findall(file.read_text())}
    events = page("docs/reference/logs.md").split("## Events")[1]
    documented = {name for row in table_rows(events) for name in re.findall("`([^`]+)`", row[0])}
    assert len(told) > 25
    assert told == documented
