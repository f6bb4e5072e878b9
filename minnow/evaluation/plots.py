"""The pictures of an evaluation, of a training run and of attention, as altair charts, written as PNG and SVG."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from minnow.errors import InputError, MinnowError
from minnow.evaluation import fonts
from minnow.evaluation.outcomes import are_probabilities
from minnow.evaluation.theme import BLUE, BLUES, CONFIG, EMPTY, INK, MUTED, ORANGE, ORANGES, PAPER
from minnow.files import write_bytes, write_text
from minnow.metrics.calibration import Bin, error_of_bins

MOST_NUMBERED = 25  # beyond so many labels the counts in a confusion matrix cannot be read
MOST_NAMED = 150  # beyond so many its picture would be too large to open, were each name to stand by its cells
PICTURES = (".png", ".svg")
METRICS = ("f1_macro", "accuracy", "exact_match")
UNSEEN_ROW = "(unknown to the model)"
# What XML has no room for, and a byte that a model wrote may be: the library that draws ends the process at one.
UNDRAWABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Chart = Any
Rows = list[dict[str, Any]]
Points = list[tuple[float, float]]


def available() -> bool:
    """Whether the plots extra is installed."""
    return find_spec("altair") is not None and find_spec("vl_convert") is not None


def save(chart: Chart, path_without_suffix: str | Path) -> list[Path]:
    """Write ``chart`` as PNG (at twice the size, for sharp screens) and as SVG; returns both paths.

    Raises:
        MinnowError: the plots extra is missing.
        StorageError: the disk refuses.
    """
    svg, base = _svg(chart), Path(path_without_suffix)
    return [_written(svg, base.with_name(base.name + suffix)) for suffix in PICTURES]


def save_as(chart: Chart, path: str | Path) -> Path:
    """Write ``chart`` into this file, as its name says a PNG or an SVG.

    Raises:
        InputError: another kind of file.
        MinnowError: the plots extra is missing.
        StorageError: the disk refuses.
    """
    return _written(_svg(chart), picture_path(path))


def picture_path(path: str | Path) -> Path:
    """The path of a picture, its kind checked; see ``save_as``."""
    if Path(path).suffix.lower() not in PICTURES:
        raise InputError(f"a picture is written as .png or .svg, but got {str(path)!r}; try {Path(path).stem}.png")
    return Path(path)


def _svg(chart: Chart) -> str:
    _altair()
    import vl_convert

    fonts.register()
    return str(vl_convert.vegalite_to_svg(_drawable(chart.to_dict())))


def _drawable(part: Any) -> Any:
    """A part of a chart with a mark for each character that cannot be drawn."""
    if isinstance(part, str):
        return UNDRAWABLE.sub("\ufffd", part)
    if isinstance(part, dict):
        return {_drawable(name): _drawable(value) for name, value in part.items()}
    return [_drawable(one) for one in part] if isinstance(part, list) else part


def _written(svg: str, path: Path) -> Path:
    import vl_convert

    if path.suffix.lower() == ".svg":
        write_text(path, svg)
    else:
        write_bytes(path, vl_convert.svg_to_png(svg, scale=2))
    return path


class Measured(Protocol):
    """What the pictures of a report are made of; ``report.Report`` is one."""

    @property
    def confusion(self) -> list[list[int]] | None: ...

    @property
    def labels(self) -> list[str]: ...

    @property
    def calibration(self) -> dict[str, Any]: ...

    @property
    def per_label(self) -> list[dict[str, Any]]: ...

    @property
    def multi_label(self) -> bool: ...


def save_report(report: Measured, folder: Path) -> list[Path]:
    """Write all pictures of a report: ``confusion`` (one label a text), ``reliability`` and ``labels``."""
    paths: list[Path] = []
    if report.confusion is not None:
        paths += save(confusion_matrix(report.confusion, report.labels), folder / "confusion")
    if report.calibration["bins"]:
        paths += save(reliability(report.calibration["bins"], report.multi_label), folder / "reliability")
    return paths + save(label_bars(report.per_label), folder / "labels")


def confusion_matrix(counts: Sequence[Sequence[int]], labels: Sequence[str], title: str = "Confusion matrix") -> Chart:
    """A heat map of counts [K, K], or [K + 1, K] with a last row for labels unknown to the model.

    The colour is the cell's share of its row, blue where right and orange where wrong; up to 25 labels with counts,
    up to 150 with names.
    """
    alt = _altair()
    rows = [*labels, UNSEEN_ROW] if len(counts) > len(labels) else list(labels)
    side = _cell_side(len(labels))
    named = len(labels) <= MOST_NAMED
    axis = _label_axis(alt, len(labels), _tilt(labels, side), below=True, named=named)
    shown = {"x": alt.X("prediction:N", sort=None, title="predicted", axis=axis)}
    shown["x"].scale = alt.Scale(domain=list(labels), paddingInner=0.04, paddingOuter=0)
    shown["y"] = alt.Y("reference:N", sort=None, title="true label", axis=_label_axis(alt, len(labels), named=named))
    shown["y"].scale = alt.Scale(domain=rows, paddingInner=0.04, paddingOuter=0)
    layers = [
        alt.Chart(_table(alt, _heat_cells(counts, rows, labels, right)))
        .mark_rect()
        .encode(color=alt.Color("share:Q", legend=None, scale=_heat_scale(alt, colours)), **shown)
        for right, colours in ((True, BLUES), (False, ORANGES))
    ]
    if len(labels) <= MOST_NUMBERED:
        text = _heat_cells(counts, rows, labels, True) + _heat_cells(counts, rows, labels, False)
        ink = alt.condition("datum.depth > 0.62", alt.value(PAPER), alt.value(INK))
        size = min(13, max(8, side * 0.3))
        layers.append(
            alt.Chart(_table(alt, text))
            .mark_text(fontSize=size)
            .encode(text=alt.Text("count:Q", format=",d"), color=ink, **shown)
        )
    heading = alt.Title(title, subtitle="colour: share of the true label's texts, blue right and orange wrong")
    chart = alt.layer(*layers).resolve_scale(color="independent")
    chart = chart.properties(width=side * len(labels), height=side * len(rows), title=heading, view=_view(alt))
    return _house(chart)


def reliability(bins: Sequence[Mapping[str, Any]], multi_label: bool = False) -> Chart:
    """Accuracy against confidence in bars, the diagonal of perfect calibration, and below it how many texts."""
    alt = _altair()
    total = sum(b["count"] for b in bins)
    error = error_of_bins([Bin(**b) for b in bins])
    table = _table(alt, [{**b, "floor": 0, "share": b["count"] / total} for b in bins])
    unit = alt.Scale(domain=[0, 1], nice=False, zero=False)
    what = "label scores" if multi_label else "texts"
    x = alt.X("low:Q", title=None, scale=unit, axis=alt.Axis(format="%", labels=False, values=_FIFTHS))
    y = alt.Y("accuracy:Q", title="how often right", scale=unit, axis=alt.Axis(format="%", values=_FIFTHS))
    bars = alt.Chart(table).mark_rect(color=BLUES[1], stroke=PAPER, strokeWidth=1.5)
    bars = bars.encode(x=x, x2="high:Q", y=y, y2="floor:Q")
    gaps = alt.Chart(table).mark_rule(color=ORANGE, strokeWidth=2.5)
    gaps = gaps.encode(x="confidence:Q", y="accuracy:Q", y2="confidence:Q")
    ends = _table(alt, [{"confidence": 0, "accuracy": 0}, {"confidence": 1, "accuracy": 1}])
    diagonal = alt.Chart(ends).mark_line(color=INK, strokeDash=[5, 4], strokeWidth=1.2)
    diagonal = diagonal.encode(x="confidence:Q", y="accuracy:Q")
    below = alt.X("low:Q", title="confidence", scale=unit, axis=alt.Axis(format="%", values=_FIFTHS))
    share = alt.Y("share:Q", title=f"share of {what}", axis=alt.Axis(format="%", tickCount=2))
    spread = alt.Chart(table).mark_rect(color=MUTED, opacity=0.55, stroke=PAPER, strokeWidth=1.5)
    spread = spread.encode(x=below, x2="high:Q", y=share, y2="floor:Q").properties(width=340, height=64)
    top = alt.layer(bars, gaps, diagonal).properties(width=340, height=300)
    heading = alt.Title(
        f"Reliability: expected calibration error {error:.3f}",
        subtitle="dashed: confidence that comes true · orange: the gap to it",
    )
    return _house(alt.vconcat(top, spread, spacing=12).properties(title=heading))


def label_bars(per_label: Sequence[Mapping[str, Any]]) -> Chart:
    """The F1 of each label, worst first, with whiskers over its 95 % interval and the number of texts beside it."""
    alt = _altair()
    rows = sorted(per_label, key=lambda row: (row["f1"], row["label"]))
    order = [row["label"] for row in rows]
    table = _table(alt, [{**row, "texts": f"{row['support']:,}"} for row in rows])
    step = 24 if len(rows) <= MOST_NUMBERED else 15
    y = alt.Y("label:N", sort=order, title=None, scale=alt.Scale(domain=order), axis=_label_axis(alt, len(rows)))
    x = alt.X("f1:Q", title="F1", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=_FIFTHS, format=".1f"))
    bars = alt.Chart(table).mark_bar(color=BLUE, opacity=0.85, height={"band": 0.68}).encode(x=x, y=y)
    whiskers = alt.Chart(table).mark_rule(color=INK, strokeWidth=1.4).encode(x="f1_low:Q", x2="f1_high:Q", y=y)
    caps = [
        alt.Chart(table).mark_tick(color=INK, thickness=1.4, size=step * 0.3).encode(x=f"{end}:Q", y=y)
        for end in ("f1_low", "f1_high")
    ]
    counts = alt.Chart(table).mark_text(align="left", color=MUTED, fontSize=10.5)
    counts = counts.encode(x=alt.value(430), y=y, text="texts:N")
    heading = alt.Title("F1 of each label", subtitle="whiskers: 95 % interval · right: texts with this label")
    chart = alt.layer(bars, whiskers, *caps, counts).properties(width=420, height=step * len(rows), title=heading)
    return _house(chart)


def training_curves(journal: Sequence[Mapping[str, Any]], metric: str | None = None) -> Chart:
    """Loss, a validation metric and the learning rate over the steps, one panel each for what the journal holds.

    Rows are dicts with ``step`` and any of ``loss``, ``validation_loss``, ``learning_rate`` and metric names;
    ``metric=None`` takes the first of f1_macro, accuracy, exact_match that occurs. The best validation value is marked.

    Raises:
        MinnowError: no row has a step and a number to draw, or the plots extra is missing.
    """
    alt = _altair()
    metric = metric or next((name for name in METRICS if any(_is_number(row.get(name)) for row in journal)), "accuracy")
    panels = [
        _loss_panel(alt, _points(journal, "loss"), _points(journal, "validation_loss")),
        _metric_panel(alt, _points(journal, metric), metric.replace("_", " ")),
        _rate_panel(alt, _points(journal, "learning_rate")),
    ]
    drawn = [panel for panel in panels if panel is not None]
    if not drawn:
        raise MinnowError("the journal holds no step with a number to draw; train for at least one step")
    chart = alt.vconcat(*drawn, spacing=22).resolve_scale(x="shared", color="independent")
    return _house(chart.properties(title=alt.Title("Training", subtitle="by step")))


def attention_picture(
    source_tokens: Sequence[str], target_tokens: Sequence[str], weights_TS: ArrayLike, title: str = "Attention"
) -> Chart:
    """Where a model looked in the source as it wrote: a row for each token it wrote, darker for more of its attention.

    Args:
        source_tokens: S tokens as they are to be shown; the same word may come again.
        target_tokens: T tokens that were written, likewise.
        weights_TS: what each written token took from each token of the source, 0 to 1 (Bahdanau et al. 2015, figure 3).
        title: of the picture.

    Raises:
        MinnowError: weights of another shape or outside 0 … 1, no tokens, or the plots extra is missing.
    """
    alt = _altair()
    weights = np.asarray(weights_TS, np.float64)
    if weights.size == 0 or weights.shape != (len(target_tokens), len(source_tokens)):
        raise MinnowError(
            f"attention needs a weight for each of {len(target_tokens)} written and {len(source_tokens)} source "
            f"tokens, but has {weights.shape}"
        )
    if not are_probabilities(weights):
        raise MinnowError("the weights of attention must lie in 0 … 1")
    side = max(17.0, min(40.0, 560 / max(weights.shape)))
    cells = [{"t": t, "s": s, "weight": float(weights[t, s])} for t, s in np.ndindex(weights.shape)]
    legend = alt.Legend(
        title="share of a row's attention", format="%", values=[0, 0.1, 0.5, 1], orient="bottom", gradientLength=180,
        gradientThickness=9, offset=18,
    )  # fmt: skip
    steps = alt.Scale(paddingInner=0.04, paddingOuter=0)
    above, beside = _token_axis(alt, source_tokens, "top", _tilt(source_tokens, side)), _token_axis(alt, target_tokens)
    chart = alt.Chart(_table(alt, cells)).mark_rect().encode(
        x=alt.X("s:O", title=None, scale=steps, axis=above),
        y=alt.Y("t:O", title=None, scale=steps, axis=beside),
        color=alt.Color("weight:Q", scale=_heat_scale(alt, (EMPTY, *BLUES)), legend=legend),
    )  # fmt: skip
    heading = alt.Title(title, subtitle="down: what was written · across: the source")
    return _house(chart.properties(width=side * len(source_tokens), height=side * len(target_tokens), title=heading))


_FIFTHS = [0, 0.2, 0.4, 0.6, 0.8, 1]


def _loss_panel(alt: Any, training: Points, validation: Points) -> Chart | None:
    lines = {name: points for name, points in (("training", training), ("validation", validation)) if points}
    if not lines:
        return None
    colours = alt.Scale(domain=list(lines), range=[{"training": BLUE, "validation": ORANGE}[name] for name in lines])
    colour = alt.Color("series:N", scale=colours, legend=alt.Legend(title=None))
    rows = [{"series": name, "step": x, "value": y} for name, points in lines.items() for x, y in points]
    layers = [_line(alt, rows, "loss", zero=True).encode(color=colour)]
    if validation:
        layers += _best(alt, min(validation, key=_value), above=True)
    return alt.layer(*layers).properties(width=520, height=200)


def _metric_panel(alt: Any, points: Points, title: str) -> Chart | None:
    if not points:
        return None
    rows = [{"step": x, "value": y} for x, y in points]
    marks = _best(alt, max(points, key=_value), above=False)
    return alt.layer(_line(alt, rows, title, colour=ORANGE), *marks).properties(width=520, height=160)


def _rate_panel(alt: Any, points: Points) -> Chart | None:
    if not points:
        return None
    rows = [{"step": x, "value": y} for x, y in points]
    highest = max(value for _, value in points)
    line = _line(alt, rows, "learning rate", colour=MUTED, zero=True, numbers=".2~g", ticks=[0, highest])
    return line.properties(width=520, height=64)


def _line(
    alt: Any,
    rows: Rows,
    title: str,
    *,
    colour: str = BLUE,
    zero: bool = False,
    numbers: str = ".6~g",  # without a precision 40 reads 4e+1
    ticks: list[float] | None = None,
) -> Chart:
    axis = alt.Axis(format=numbers, values=ticks) if ticks else alt.Axis(format=numbers, tickCount=4)
    mark = {"strokeWidth": 2, "color": colour, "point": {"size": 60, "color": colour} if len(rows) == 1 else False}
    return alt.Chart(_table(alt, rows)).mark_line(**mark).encode(
        x=alt.X("step:Q", title=None, axis=alt.Axis(format=",d", grid=False, tickCount=6)),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=zero), axis=axis),
    )  # fmt: skip


def _best(alt: Any, point: tuple[float, float], *, above: bool) -> list[Chart]:
    """A dot at the best value of a run, and the value in figures."""
    mark = alt.Chart(_table(alt, [{"step": point[0], "value": point[1], "text": f"best {point[1]:.4g}"}]))
    dot = mark.mark_point(size=70, filled=True, color=ORANGE, opacity=1).encode(x="step:Q", y="value:Q")
    text = mark.mark_text(dy=-14 if above else 16, color=INK, fontSize=11)
    return [dot, text.encode(x="step:Q", y="value:Q", text="text:N")]


def _value(point: tuple[float, float]) -> float:
    return point[1]


def _points(journal: Sequence[Mapping[str, Any]], key: str) -> Points:
    return [(row["step"], row[key]) for row in journal if _is_number(row.get("step")) and _is_number(row.get(key))]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _heat_cells(
    counts: Sequence[Sequence[int]], rows: Sequence[str], columns: Sequence[str], right: bool
) -> list[dict[str, Any]]:
    """The cells that are not empty, on the diagonal or off it. ``depth`` is how dark the cell comes out."""
    cells = []
    for r, line in enumerate(counts):
        total = max(sum(line), 1)
        for c, count in enumerate(line):
            if count and (r == c) == right:
                share = count / total
                cells.append(
                    {
                        "reference": rows[r],
                        "prediction": columns[c],
                        "count": count,
                        "share": share,
                        "depth": share**0.5,
                    }
                )
    return cells


def _heat_scale(alt: Any, colours: Sequence[str]) -> Any:
    # The square root lets a confusion of a few in a hundred be seen at all.
    return alt.Scale(type="sqrt", domain=[0, 1], range=list(colours), interpolate="lab")


def _tilt(labels: Sequence[str], side: float) -> float:
    """The angle of labels along a row of cells: upright where each fits over its own."""
    return 0 if max(map(_text_width, labels)) < side else -45


def _token_axis(alt: Any, tokens: Sequence[str], orient: str = "left", angle: float = 0) -> Any:
    """Labels by place, so that a token that comes twice has two."""
    written = json.dumps(_drawable([token.strip() or "␣" for token in tokens]))
    return alt.Axis(
        orient=orient, labelExpr=f"{written}[datum.value]", labelAngle=angle, labelFontSize=12, labelOverlap=False,
        grid=False,
    )  # fmt: skip


def _cell_side(num_labels: int) -> float:
    """Pixels: large cells for few labels, as small as their names can be read beside for many, and smaller for more."""
    if num_labels <= 4:
        return 84
    least = 11.0 * min(1.0, MOST_NAMED / num_labels)
    return max(least, min(64.0, 760 / num_labels))


def _label_axis(alt: Any, num_labels: int, angle: float = 0, *, below: bool = False, named: bool = True) -> Any:
    many = num_labels > MOST_NUMBERED
    tilt = -90 if many and below else angle
    return alt.Axis(
        labels=named, labelAngle=tilt, labelFontSize=9 if many else 11, labelOverlap=False, grid=False,
        labelBaseline="top" if below and tilt != -90 else "middle",
    )  # fmt: skip


def _text_width(text: str) -> float:
    """Pixels at the axis' size, roughly: a Chinese character is twice as wide as a letter."""
    return sum(12 if "\u2e80" <= letter <= "\uffef" else 6.5 for letter in text)


def _view(alt: Any) -> Any:
    return alt.ViewBackground(fill=EMPTY)


def _table(alt: Any, rows: list[dict[str, Any]]) -> Any:
    return alt.InlineData(values=rows)


def _house(chart: Chart) -> Chart:
    chart.config = CONFIG
    return chart


def _altair() -> Any:
    if not available():
        raise MinnowError("pictures need altair and vl-convert; pip install 'minnow-lm[plots]'")
    import altair

    return altair
