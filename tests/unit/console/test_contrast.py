"""The stylesheet's colours are far enough apart to be read (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from itertools import product

import pytest

from app.console.rendering import static_file

TEXT, GRAPHICS = 4.5, 3.0
GROUNDS = ("ground", "paper")
READ = [
    *product(("ink", "soft", "accent", "red"), GROUNDS),
    ("accent", "info"),
    ("orange", "warn"),
    ("green", "ok"),
    ("red", "bad"),
    ("paper", "accent"),  # a button's text
]
SEEN = [*product(("blue", "orange", "green", "purple", "soft"), GROUNDS)]


def palettes() -> dict[str, dict[str, str]]:
    """The colours of the light theme, and of the dark one."""
    css = static_file("console.css")[0].decode()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    return {
        theme: dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})[;\s]", text))
        for theme, text in (("light", light), ("dark", dark))
    }


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_as_defined() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [*((*pair, TEXT) for pair in READ), *((*pair, GRAPHICS) for pair in SEEN)],
)
def test_colours_are_far_enough_apart(theme: str, front: str, back: str, least: float) -> None:
    palette = palettes()[theme]
    assert contrast(palette[front], palette[back]) >= least
