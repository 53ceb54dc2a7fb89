"""Pictures of the console for its documentation: `python -m tests.acceptance.console_pictures`.

They show the federation of the tests; `--look dark --look phone` draws those instead.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, ViewportSize, sync_playwright

from app.core.database import Database
from app.federations.roles import Role
from app.main import create_app
from tests.acceptance.test_console_browser import OPTIONS, PATHS, PHONE, serving, sign_in
from tests.servers import free_port, program_or_skip
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
        settings = settings_in(Path(place))
        world = build(Path(place))
        database = Database(settings.database)
        port, app = free_port(), create_app(settings)
        app.state.database = database
        with serving(app, port), sync_playwright() as playwright:
            path = program_or_skip("chromium", "chromium")
            browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
            for role in PATHS:
                for look in looks:
                    _draw(browser, f"http://127.0.0.1:{port}", world, role, look, folder)
            browser.close()
        database.dispose()


def _draw(
    browser: Browser, address: str, world: World, role: Role, look: str, folder: Path
) -> None:
    scheme, size = LOOKS[look]
    context = browser.new_context(
        base_url=address, viewport=size, color_scheme=scheme, timezone_id="UTC"
    )
    page = context.new_page()
    page.goto("/login")
    sign_in(page, world.keys[role])
    for path in PATHS[role]:
        page.goto(world.pages.get(path, path))
        page.screenshot(path=folder / f"console-{_name(path)}-{look}.png", full_page=True)
    context.close()


def _name(path: str) -> str:
    last = path.partition("?")[0].rsplit("/", 1)[-1]
    return last or "overview"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path, nargs="?", default=Path("docs/pictures"))
    arguments.add_argument("--look", choices=list(LOOKS), action="append")
    given = arguments.parse_args()
    draw(given.folder, given.look or ["light"])
