"""The house's look for every picture: light, quiet, and told apart without relying on red against green."""

from typing import Any

from minnow.evaluation.fonts import FAMILIES

INK = "#1f2933"
MUTED = "#66727f"
HAIRLINE = "#e4e7eb"
PAPER = "#ffffff"
EMPTY = "#f5f7f9"
# Blue and orange of Okabe & Ito (2008), which stay apart for every common kind of colour blindness.
BLUE = "#0072b2"
ORANGE = "#d55e00"
SERIES = (BLUE, ORANGE, "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
BLUES = ("#e3eff7", "#86bbdd", BLUE, "#00446b")
ORANGES = ("#fdf0e7", "#f3b68c", ORANGE, "#8a3c00")

CONFIG: dict[str, Any] = {
    "font": FAMILIES,
    "background": PAPER,
    "padding": 16,
    "view": {"stroke": None},
    "title": {
        "color": INK, "fontSize": 15, "fontWeight": 600, "anchor": "start", "frame": "group", "offset": 14,
        "subtitleColor": MUTED, "subtitleFontSize": 11.5, "subtitlePadding": 5,
    },
    "axis": {
        "labelColor": INK, "labelFontSize": 11, "labelLimit": 200, "labelPadding": 6,
        "titleColor": MUTED, "titleFontSize": 11.5, "titleFontWeight": "normal", "titlePadding": 10,
        "domain": False, "ticks": False, "gridColor": HAIRLINE, "gridWidth": 1,
    },
    "legend": {
        "labelColor": INK, "labelFontSize": 11, "titleColor": MUTED, "titleFontWeight": "normal",
        "orient": "top", "symbolStrokeWidth": 2.5, "padding": 0, "offset": 8,
    },
    "range": {"category": list(SERIES)},
    "concat": {"spacing": 26},
}  # fmt: skip
