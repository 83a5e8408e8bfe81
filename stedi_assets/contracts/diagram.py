"""The asset graph as a picture, ``docs/images/flow.svg``: one column a source, one row a step of the way.

It is drawn from what each table is made from. It loads nothing, so that GitHub, the documentation site and a phone
without a network show the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLUMN, _ROW, _HEIGHT, _GAP, _TOP = 206, 92, 50, 10, 40
_COLOURS = {
    "files": "#eceff1",
    "landing": "#e0f2f1",
    "quarantine": "#ffe0b2",
    "trusted": "#b2dfdb",
    "curated": "#80cbc4",
}
_STYLE = "text{font:14px sans-serif;fill:#102027;text-anchor:middle}.name{font-weight:bold}"
_ARROW = (
    '<marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z" fill="#546e7a"/></marker>'
)


class Box(NamedTuple):
    """One box of the picture."""

    x: int
    y: int
    width: int
    name: str
    note: str
    colour: str


def asset_graph(
    sources: Sequence[str], made_from: Mapping[str, Sequence[str]], notes: Mapping[str, str]
) -> str:
    """The picture as SVG.

    Args:
        sources: Names of the sources, in the order of the columns.
        made_from: For each table the tables that it is made from.
        notes: What stands below the name of a table or of a source's files, such as the number of rows.
    """
    boxes = _boxes(sources, made_from, notes)
    arrows = [
        (f"{source}_files", f"{source}_{kind}") for source in sources for kind in ("landing", "quarantine")
    ]
    arrows += [(parent, table) for table in boxes for parent in made_from.get(table, ())]
    width, height = _COLUMN * len(sources) + _GAP, max(box.y for box in boxes.values()) + _HEIGHT + _GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            "<title>The asset graph: which table is made from which, with the rows of the sample lake</title>",
            f"<style>{_STYLE}</style>",
            f"<defs>{_ARROW}</defs>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>',
            *(_text(_COLUMN * n + _COLUMN // 2, 26, source) for n, source in enumerate(sources)),
            *(_arrow(boxes[parent], boxes[child]) for parent, child in arrows),
            *(line for box in boxes.values() for line in _drawn(box)),
            "</svg>\n",
        ]
    )


def _boxes(
    sources: Sequence[str], made_from: Mapping[str, Sequence[str]], notes: Mapping[str, str]
) -> dict[str, Box]:
    """Files, landing and quarantine of a source beside each other; below them one derived table a row."""
    half = (_COLUMN - 2 * _GAP) // 2
    boxes = {}
    for column, source in enumerate(sources):
        left = _COLUMN * column + _GAP
        for kind, x, row, width in (
            ("files", left, 0, 2 * half + _GAP),
            ("landing", left, 1, half),
            ("quarantine", left + half + _GAP, 1, half),
        ):
            name = f"{source}_{kind}"
            boxes[name] = Box(x, _TOP + _ROW * row, width, kind, notes.get(name, ""), _COLOURS[kind])
    for row, name in enumerate(_order([name for name, parents in made_from.items() if parents], made_from)):
        source, _, kind = name.rpartition("_")
        column, label, width = (
            (sources.index(source), kind, 2 * half + _GAP)
            if source in sources
            else (len(sources) // 2, name, 2 * half + _GAP)
        )
        x, y = _COLUMN * column + _GAP, _TOP + _ROW * (row + 2)
        boxes[name] = Box(x, y, width, label, notes.get(name, ""), _COLOURS[kind])
    return boxes


def _order(tables: list[str], made_from: Mapping[str, Sequence[str]]) -> list[str]:
    """Each table after the tables that it is made from."""
    ordered: list[str] = []
    while len(ordered) < len(tables):
        ordered += [
            table
            for table in tables
            if table not in ordered and not set(made_from[table]) & (set(tables) - set(ordered))
        ][:1]
    return ordered


def _arrow(start: Box, end: Box) -> str:
    x1, y1, x2, y2 = start.x + start.width // 2, start.y + _HEIGHT, end.x + end.width // 2, end.y
    middle = (y1 + y2) // 2
    path = f"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#546e7a" marker-end="url(#arrow)"/>'


def _drawn(box: Box) -> list[str]:
    middle = box.x + box.width // 2
    place = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{_HEIGHT}" rx="5"'
    return [
        f'<rect {place} fill="{box.colour}" stroke="#455a64"/>',
        _text(middle, box.y + 21, box.name),
        f'<text x="{middle}" y="{box.y + 40}">{escape(box.note)}</text>',
    ]


def _text(x: int, y: int, name: str) -> str:
    return f'<text class="name" x="{x}" y="{y}">{escape(name)}</text>'
