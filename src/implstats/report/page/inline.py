"""Figures inside the page: SVG as part of the HTML, so that the page is one file that needs no network."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from implstats.report.book import SYNTHETIC


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineFigure:
    """A figure ready for the page: ``markup`` is safe HTML."""

    name: str
    analysis: str
    title: str
    alt: str
    markup: str


def read_figures(folder: Path) -> list[InlineFigure]:
    """Return the figures that ``write_figures`` has written, if it has."""
    listing = folder / "figures" / "alt.json"
    if not listing.is_file():
        return []
    found = []
    for name, entry in json.loads(listing.read_text(encoding="utf-8")).items():
        markup = _markup(folder / "figures", name, entry["alt"], entry["files"])
        if markup:
            found.append(
                InlineFigure(
                    name=name,
                    analysis=entry["analysis"],
                    title=entry["title"],
                    alt=entry["alt"].removeprefix(f"{SYNTHETIC}: "),
                    markup=markup,
                )
            )
    return found


def _markup(folder: Path, name: str, alt: str, files: list[str]) -> str:
    """Return a figure's SVG, else its PNG as data; an empty string when neither was asked for."""
    if f"{name}.svg" in files and (folder / f"{name}.svg").is_file():
        return inline_svg((folder / f"{name}.svg").read_text(encoding="utf-8"), name=name, alt=alt)
    if f"{name}.png" in files and (folder / f"{name}.png").is_file():
        data = base64.b64encode((folder / f"{name}.png").read_bytes()).decode("ascii")
        return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
    return ""


def inline_svg(text: str, *, name: str, alt: str) -> str:
    """Return an SVG file's text as an element of a page.

    The prologue and the metadata go (they name foreign addresses), identifiers get the figure's name in
    front (two figures on one page may not share one), and the alternative text becomes the label.
    """
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<title>.*?</title>|<desc>.*?</desc>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(xlink:href|href)="#', rf'\1="#{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    head, rest = body.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{escape(alt)}" focusable="false">{rest}'.strip()
