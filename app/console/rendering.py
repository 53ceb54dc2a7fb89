"""Templates, and what they may call: formats with units, times, static files under their hash."""

import hashlib
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

FOLDER = Path(__file__).parent
STATIC = {
    "console.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "times.js": "text/javascript; charset=utf-8",
    "waiting.js": "text/javascript; charset=utf-8",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def environment() -> Environment:
    """The templates; a name that a page did not give is an error, not an empty place."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        signed=signed,
        number=number,
        percent=percent,
        moment=moment,
        pretty=pretty,
        short=short,
        words=words,
    )
    made.globals["static"] = static_url
    return made


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - templates take all
    """A rendered page with the headers that every page has."""
    text = environment().get_template(template).render(**values)
    return HTMLResponse(text, status, HEADERS)


@cache
def static_file(name: str) -> tuple[bytes, str]:
    """A static file's content and hash."""
    content = (FOLDER / "static" / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


def static_url(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/static/{static_file(name)[1]}/{name}"


def signed(value: float | None) -> str:
    """A change, with its sign, to three figures."""
    return "–" if value is None else f"{value:+.3g}"  # noqa: RUF001 - a dash for nothing


def number(value: float | None) -> str:
    """A number to three figures, with a dash for none."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash for nothing
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def percent(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None else f"{value:.1%}"  # noqa: RUF001 - a dash for nothing


def moment(value: datetime | None) -> Markup:
    """A time in UTC, readable by people and machines."""
    if value is None:
        return Markup("–")  # noqa: RUF001 - a dash for nothing
    text = value.strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}">{}&nbsp;UTC</time>').format(value.isoformat(), text)


def pretty(value: object) -> str:
    """A JSON value over several lines."""
    return json.dumps(value, indent=1, ensure_ascii=False)


def short(pseudonym: str) -> str:
    """The start of a pseudonym, enough to tell clients apart."""
    return f"{pseudonym[:8]}…" if pseudonym.startswith("c_") else pseudonym


def words(name: str) -> str:
    """A state's or code's name in words."""
    return name.replace("_", " ")
