"""Which of the targets are met, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Model = dict[str, Any]


def judge(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each target with the number of cells that meet it and those that do not."""
    rows = [(cell, name, model) for cell in result["cells"] for name, model in cell["models"].items()]
    out = [
        _target("fit without df <= 1/20 of lme4", rows, 1 / 20, lambda m: m["fit"] / m["r"]["lmer"]),
        _target("whole default fit <= 1/20 of lme4", rows, 1 / 20, lambda m: m["default"] / m["r"]["lmer"]),
        _target(
            "fit + Satterthwaite + Kenward-Roger <= 1/20 of lmerTest (Satterthwaite only)", rows, 1 / 20,
            lambda m: m["both_df"] / m["r"]["lmerTest"],
        ),
        _target("whole default fit <= 1/2 of the best peer", rows, 1 / 2, _beside_peer),
    ]  # fmt: skip
    largest = [cell for cell in result["cells"] if cell["n"] == 500_000]
    if largest:
        ratios = {
            f"500,000 rows, {c['institutions']:,} institutions": c["peak_mb"] / c["r_peak_mb"]
            for c in largest
        }
        out.append(_judged("peak memory <= 1/2 of lme4 at 500,000 rows", ratios, 1 / 2))
    special = {
        name: m["default"] / m["r"]["lmer"]
        for c, name, m in rows
        if (c["n"], c["institutions"], name) == (50_000, 5_000, "3-level")
    }
    if special:
        out.append(
            _judged("50,000 rows, 5,000 institutions, three levels <= 190/1043 of lme4", special, 190 / 1043)
        )
    out.append(
        _judged("cold process quicker than R's", {"cold": result["cold"]["ours"] / result["cold"]["r"]}, 1.0)
    )
    halves = {
        name: max(found["criterion"], found["coefficients"]) for name, found in result["halves"].items()
    }
    out.append(
        _judged("two halves added: criterion (relative), coefficients (SE) within 1e-10", halves, 1e-10)
    )
    return out


def _beside_peer(model: Model) -> float | None:
    times = [seconds for seconds in model["peers"].values() if seconds is not None]
    return model["default"] / min(times) if times else None


def _target(
    text: str,
    rows: list[tuple[dict[str, Any], str, Model]],
    limit: float,
    ratio: Callable[[Model], float | None],
) -> dict[str, Any]:
    ratios = {
        f"{cell['n']:,} rows, {cell['institutions']:,} institutions, {name}": ratio(model)
        for cell, name, model in rows
    }
    return _judged(text, {where: value for where, value in ratios.items() if value is not None}, limit)


def _judged(text: str, ratios: dict[str, float], limit: float) -> dict[str, Any]:
    missed = {where: value for where, value in ratios.items() if value > limit}
    return {
        "target": text,
        "limit": limit,
        "cells": len(ratios),
        "met": len(ratios) - len(missed),
        "missed": missed,
    }
