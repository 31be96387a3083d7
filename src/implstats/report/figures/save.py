"""Figures as files: drawn once, saved in each format, without the clock, with the alternative text inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from implstats.report.book import SYNTHETIC, Book
from implstats.report.figures.spec import FigureSpec
from implstats.report.figures.style import RC
from implstats.results.files import replacing, write_text

PNG_DPI = 200


def save_figures(book: Book, specs: Sequence[FigureSpec]) -> list[Path]:
    """Write each figure in the formats the study asks for, and ``figures/alt.json``; return the paths."""
    folder = book.folder / "figures"
    kinds = book.settings["figures"]
    paths = [path for spec in specs for path in _save(spec, folder, kinds, synthetic=book.synthetic)]
    listing = {
        spec.name: {
            "analysis": spec.analysis,
            "title": marked(spec.title, synthetic=book.synthetic),
            "alt": marked(spec.alt, synthetic=book.synthetic),
            "files": [f"{spec.name}.{kind}" for kind in kinds],
        }
        for spec in specs
    }
    alt = write_text(folder / "alt.json", json.dumps(listing, ensure_ascii=False, indent=2) + "\n")
    for stale in {p for kind in ("svg", "pdf", "png") for p in folder.glob(f"*.{kind}")} - set(paths):
        stale.unlink()
    return [*paths, alt]


def marked(text: str, *, synthetic: bool) -> str:
    """Return a text that says so when the data are simulated."""
    return f"{SYNTHETIC}: {text}" if synthetic else text


def _save(spec: FigureSpec, folder: Path, kinds: Sequence[str], *, synthetic: bool) -> list[Path]:
    from matplotlib import rc_context

    title, alt = marked(spec.title, synthetic=synthetic), marked(spec.alt, synthetic=synthetic)
    paths = []
    with rc_context(RC):
        # The layout is solved once; each format then draws the figure as it stands.
        spec.figure.draw_without_rendering()
        spec.figure.set_layout_engine("none")
        for kind in kinds:
            path = folder / f"{spec.name}.{kind}"
            with replacing(path) as temporary:
                spec.figure.savefig(temporary, format=kind, dpi=PNG_DPI, metadata=_metadata(kind, title, alt))
            paths.append(path)
    return paths


def _metadata(kind: str, title: str, alt: str) -> dict[str, Any]:
    """Return what a format keeps of title and alternative text; times are left out."""
    if kind == "svg":
        return {"Date": None, "Creator": None, "Title": title, "Description": alt}
    if kind == "pdf":
        return {"CreationDate": None, "ModDate": None, "Producer": None, "Title": title, "Subject": alt}
    return {"Software": None, "Title": title, "Description": alt}
