"""Pictures of the console for its documentation: `python -m tests.acceptance.console_pictures`.

They show the federation of the tests; `--look dark --look phone` draws those instead.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, ViewportSize

from app.federations.roles import Role
from tests.acceptance import console_looks as pages
from tests.acceptance.console_browser import PHONE, chromium, serving, sign_in
from tests.unit.console import world as made
from tests.unit.console.world import World, build, settings_in

DESK = ViewportSize(width=1180, height=800)
LOOKS: dict[str, tuple[Literal["light", "dark"], ViewportSize]] = {
    "light": ("light", DESK),
    "dark": ("dark", DESK),
    "phone": ("light", PHONE),
}


def draw(folder: Path, looks: Sequence[str]) -> None:
    """Write one picture for each page and look into the folder."""
    made.TITLE = "Flights from New York"  # the tests' own is meant to break pages
    with tempfile.TemporaryDirectory() as place:
        world = build(Path(place))
        with serving(settings_in(Path(place))) as address, chromium() as browser:
            for role in pages.LOOKS:
                for look in looks:
                    _draw(browser, address, world, role, look, folder)


def _draw(
    browser: Browser, address: str, world: World, role: Role | None, look: str, folder: Path
) -> None:
    scheme, size = LOOKS[look]
    context = browser.new_context(
        base_url=address, viewport=size, color_scheme=scheme, timezone_id="UTC"
    )
    page = context.new_page()
    page.goto("/login")
    if role is not None:
        sign_in(page, world.keys[role])
    for one in (one for one in pages.LOOKS[role] if one.picture):
        page.goto(one.at(world))
        page.screenshot(path=folder / f"console-{one.picture}-{look}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path, nargs="?", default=Path("docs/pictures"))
    arguments.add_argument("--look", choices=list(LOOKS), action="append")
    given = arguments.parse_args()
    draw(given.folder, given.look or ["light"])
