"""The results data set as the report reads it: rows by address, labels, the order of waves, verdicts.

Two promises are kept here once, for every table, figure and sentence: a suppressed row carries no number,
and neither does a row whose fit failed, whatever the files say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from implstats.results.checks import Check
from implstats.results.dataset import ResultsDataset, read_dataset
from implstats.results.rows import NUMBERS, Row

SYNTHETIC = "SYNTHETIC DATA"
MIXED_TYPES = ("null_model", "growth", "contextual", "mixed")
SEM_TYPES = ("cfa", "path")
WITHHELD = dict.fromkeys([*NUMBERS, "n_obs"])
LEVEL_OF_CATEGORY = re.compile(r"(\w+)\[(?:T\.)?(.+)\]")
# How the questions name a predictor that was split within and between clusters.
SUFFIXES = {
    "_within": "within",
    "_between": "between",
    "_mean": "cluster mean",
    "_centred": "centred",
    "_squared": "squared",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as provenance names it; ``kind`` is its type, such as ``growth``."""

    name: str
    kind: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A results data set ready to be reported.

    Attributes
    ----------
    folder : Path
        Folder of the data set; tables, figures and page are written inside it.
    rows : dict of str to tuple of Row
        Rows by analysis, in the data set's order; withheld rows hold no number.
    checks : tuple of (str, Check)
        Analysis and check.
    labels, details : dict of (kind, name) to str
    order : dict of (kind, name) to int
        Position in the dictionary, which is the order of the study file.
    published : tuple of dict
    provenance : dict
    """

    folder: Path
    rows: dict[str, tuple[Row, ...]]
    checks: tuple[tuple[str, Check], ...]
    labels: dict[tuple[str, str], str]
    details: dict[tuple[str, str], str]
    order: dict[tuple[str, str], int]
    published: tuple[dict[str, Any], ...]
    provenance: dict[str, Any]

    @property
    def study(self) -> dict[str, Any]:
        """Name, title, description, synthetic, citation, data_licence and seed."""
        return self.provenance["study"]

    @property
    def synthetic(self) -> bool:
        """True when the data are simulated."""
        return bool(self.study.get("synthetic"))

    @property
    def settings(self) -> dict[str, Any]:
        """Formats, decimals and the smallest cell shown."""
        defaults = {
            "tables": ["docx", "xlsx", "html", "tex", "csv"],
            "figures": ["svg", "pdf", "png"],
            "min_cell": 5,
            "decimals": 2,
        }
        return defaults | (self.provenance.get("outputs_settings") or {})

    @property
    def decimals(self) -> int:
        """Decimals of estimates in tables."""
        return int(self.settings["decimals"])

    @property
    def questions(self) -> tuple[Question, ...]:
        """The study's questions, in its order."""
        found = self.provenance.get("questions") or []
        return tuple(
            Question(name=q["name"], kind=q["type"], title=clean(q.get("title") or q["name"])) for q in found
        )

    def select(self, analysis: str, **address: str) -> list[Row]:
        """Return an analysis' rows whose fields equal those given, in order."""
        rows = self.rows.get(analysis, ())
        return [r for r in rows if all(getattr(r, field) == value for field, value in address.items())]

    def first(self, analysis: str, **address: str) -> Row | None:
        """Return the first such row, or ``None``."""
        return next(iter(self.select(analysis, **address)), None)

    def label(self, kind: str, name: str) -> str:
        """Return what people call a table, scale, variable, item, cluster, wave or question."""
        return self.labels.get((kind, name)) or name

    def thing(self, name: str) -> str:
        """Return the label of a scale, variable or item, whichever has this name."""
        kinds = ("scale", "variable", "item", "cluster", "table")
        return next((self.labels[k, name] for k in kinds if self.labels.get((k, name))), name)

    def term(self, name: str) -> str:
        """Return a coefficient's label: parts of an interaction joined by a multiplication sign."""
        if name == "(Intercept)":
            return "Intercept"
        return " × ".join(self._part(part) for part in name.split(":"))

    def _part(self, name: str) -> str:
        label = self.thing(name)
        if label != name:
            return label
        for suffix, word in SUFFIXES.items():
            if name.endswith(suffix) and len(name) > len(suffix):
                return f"{self._part(name.removesuffix(suffix))} ({word})"
        category = self.category(name)
        if category is not None:
            return f"{category[0]}: {category[1]}"
        return {"time": "Time", "I(time**2)": "Time squared", "I(time ** 2)": "Time squared"}.get(name, name)

    def category(self, name: str) -> tuple[str, str] | None:
        """Return variable and level of a coefficient such as ``wave2012`` or ``role[T.nurse]``, as labels."""
        bracketed = LEVEL_OF_CATEGORY.fullmatch(name)
        if bracketed:
            return self.thing(bracketed[1]).capitalize(), self.label("wave", bracketed[2])
        known = ["wave", *(n for kind, n in self.labels if kind == "variable")]
        stem = max((k for k in known if name.startswith(k) and name != k), key=len, default="")
        rest = name.removeprefix(stem)
        if not stem or rest.startswith("_") or (stem == "wave" and rest not in self._wave_names()):
            return None
        label = self.thing(stem)
        return label[:1].upper() + label[1:], self.label("wave", rest) if stem == "wave" else rest

    def _wave_names(self) -> set[str]:
        return {text for key, label in self.labels.items() if key[0] == "wave" for text in (key[1], label)}

    def distinct(self, names: list[str]) -> dict[str, str]:
        """Return labels by name; a label that two names share is told apart by the names themselves."""
        labels = {name: self.thing(name) for name in names}
        shared = [label for label in labels.values() if list(labels.values()).count(label) > 1]
        return {n: f"{label} ({n})" if label in shared else label for n, label in labels.items()}

    def parameter(self, term: str) -> str:
        """Return a SEM parameter ``lhs op rhs`` with labels and a readable operator."""
        left, op, right = [*term.split(" ", 2), "", ""][:3]
        if op == "~*~":
            return self.thing(left)
        if op == "|":
            return f"{self.thing(left)}, threshold {right.removeprefix('t')}"
        signs = {"=~": "→", "~~": "↔", "~1": "", "~": "←", ":=": "="}
        for op in ("=~", "~~", "~1", ":=", "~"):
            if op in term:
                left, right = (part.strip() for part in term.split(op, 1))
                if op == "~1":
                    return self.thing(left)
                if op == ":=":
                    return f"{left} = {right}" if right else left
                if op == "~~" and left == right:
                    return self.thing(left)
                return f"{self.thing(left)} {signs[op]} {self.thing(right)}"
        return term

    def ordered(self, kind: str, names: list[str]) -> list[str]:
        """Return names once each, in the dictionary's order; names it does not know keep theirs, last."""
        unique = list(dict.fromkeys(names))
        place = self.order | {(k, label): self.order[k, n] for (k, n), label in self.labels.items()}
        return sorted(unique, key=lambda name: place.get((kind, name), len(place)))

    def analyses_of(self, question: Question) -> list[str]:
        """Return a question's analyses: one, or ``question:scale`` for each of its models."""
        known = dict.fromkeys([*self.rows, *(analysis for analysis, _ in self.checks)])
        return [a for a in known if a == question.name or a.startswith(f"{question.name}:")]

    def failures(self) -> dict[str, str]:
        """Return analyses that failed, each with its reason.

        A question fails with any of its rows. A stage such as the correlations fails only as a whole: one
        pair that too few persons answered does not take the others with it.
        """
        found: dict[str, str] = {}
        for analysis, rows in self.rows.items():
            failed = [row for row in rows if row.verdict == "failed"]
            if failed and (analysis not in STAGES or len(failed) == len(rows)):
                found[analysis] = failed[0].reason or "The fit failed."
        for analysis, check in self.checks:
            if check.status == "fail":
                found.setdefault(analysis, check.message)
        return found

    def cautions(self) -> dict[str, list[str]]:
        """Return the warnings of each analysis that did not fail."""
        found: dict[str, list[str]] = {}
        for analysis, check in self.checks:
            if check.status == "warn":
                found.setdefault(analysis, []).append(check.message)
        for analysis, rows in self.rows.items():
            doubtful = [row for row in rows if row.verdict != "ok"]
            if doubtful:
                found.setdefault(analysis, list(dict.fromkeys(r.reason for r in doubtful if r.reason)))
        return {a: m for a, m in found.items() if a not in self.failures()}

    def checks_of(self, analysis: str) -> list[Check]:
        """Return the checks of one analysis."""
        return [check for name, check in self.checks if name == analysis]

    def name_of(self, analysis: str) -> str:
        """Return an analysis' title as a reader knows it."""
        titles = {q.name: q.title for q in self.questions}
        question, _, part = analysis.partition(":")
        if part and question in titles:
            return f"{titles[question]} {self.thing(part)}"
        return titles.get(analysis) or STAGES.get(analysis) or self.label("question", analysis)


STAGES = {
    "flow": "Sample and flow",
    "missing": "Missing answers",
    "scales": "Scales",
    "aggregation": "Agreement within clusters",
    "trajectories": "Means by cluster",
    "correlations": "Correlations",
    "ingest": "Raw files",
}


def clean(text: str) -> str:
    """Return text without control characters, which Word and Excel files cannot hold.

    >>> clean("a\\x0bb")
    'a b'
    """
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", " ", str(text))


def open_book(folder: Path) -> Book:
    """Read a results data set for reporting; see :func:`implstats.results.dataset.read_dataset`."""
    return book_of(read_dataset(folder))


def book_of(dataset: ResultsDataset) -> Book:
    """Return a data set as a :class:`Book`."""
    rows: dict[str, list[Row]] = {}
    for row in _records(dataset):
        rows.setdefault(row.analysis, []).append(row)
    names = dataset.dictionary.to_dict("records")
    keys = [(n["kind"], n["name"]) for n in names]
    return Book(
        folder=dataset.folder,
        rows={analysis: tuple(found) for analysis, found in rows.items()},
        checks=tuple(
            (c["analysis"], Check(name=c["name"], status=c["status"], message=clean(c["message"])))
            for c in dataset.checks.to_dict("records")
        ),
        labels={key: clean(n["label"]) for key, n in zip(keys, names, strict=True) if n["label"]},
        details={key: clean(n["detail"]) for key, n in zip(keys, names, strict=True)},
        order={key: i for i, key in enumerate(keys)},
        published=tuple(_none_for_missing(r) for r in dataset.published.to_dict("records")),
        provenance=dataset.provenance,
    )


def _records(dataset: ResultsDataset) -> list[Row]:
    """Return rows with ``None`` for missing numbers; withheld rows lose every number."""
    frame = dataset.rows.astype(object)
    frame = frame.where(frame.notna(), None)
    rows = []
    for record in frame.to_dict("records"):
        row = Row(**{str(k): v for k, v in record.items()})
        if row.suppressed or row.verdict == "failed":
            row = replace(row, **WITHHELD)  # type: ignore[arg-type]
        rows.append(row)
    return rows


def _none_for_missing(record: dict[Any, Any]) -> dict[str, Any]:
    missing = {k for k, v in record.items() if v is None or v != v or type(v).__name__ == "NAType"}
    return {str(k): None if k in missing else v for k, v in record.items()}


__all__ = ["MIXED_TYPES", "SEM_TYPES", "SYNTHETIC", "Book", "Question", "book_of", "open_book"]
