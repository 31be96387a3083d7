"""The benchmark's result as a page."""

from __future__ import annotations

from typing import Any


def as_markdown(result: dict[str, Any]) -> str:
    """Return the whole page."""
    parts = [_head(result), _targets(result), _times(result), _memory(result), _rest(result)]
    return "\n\n".join(parts) + "\n"


def _head(result: dict[str, Any]) -> str:
    machine = result["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    r = ", ".join(f"{name} {version}" for name, version in machine["r"].items())
    load = f"{machine['load_at_start'][0]:.1f} at the start, {machine['load_at_end'][0]:.1f} at the end"
    return (
        "# Mixed models: single fits beside R and other Python packages\n\n"
        "`python benchmarks/mixed/run.py`; what is measured, and how, stands at the top of that file.\n\n"
        f"{result['date']}. {machine['processor']}, {machine['cores']} cores, one thread a process, "
        f"{machine['system']}; load average {load}; the run took {result['seconds']:.0f} s.\n"
        f"Python {machine['python']}: {packages}. {r}."
    )


def _targets(result: dict[str, Any]) -> str:
    lines = ["## Targets", "", "| target | met in | worst ratio and where it is missed |", "|---|---|---|"]
    for found in result["targets"]:
        missed = sorted(found["missed"].items(), key=lambda item: -item[1])
        words = "; ".join(f"{where}: {value:.2g}" for where, value in missed[:6]) or "none missed"
        more = f" and {len(missed) - 6} more" if len(missed) > 6 else ""
        cells = f"{found['met']} of {found['cells']}" if found["cells"] else "not measured"
        lines.append(f"| {found['target']} | {cells} | {words}{more} |")
    return "\n".join(lines)


def _times(result: dict[str, Any]) -> str:
    lines = [
        "## Times, milliseconds",
        "",
        'Ours: `fit` is `df="none"`, `default` the whole default call, `+ both df` Satterthwaite and '
        "Kenward-Roger for every coefficient. lmerTest: fit and `summary`, Satterthwaite. KR: "
        '`summary(ddf = "Kenward-Roger")`. '
        "`above` is our criterion minus lme4's, deviance units.",
        "",
        "| rows, institutions | model | fit | default | + both df | lme4 | lmerTest | R KR | glmm | "
        "mixedlm | lme4 / fit | lmerTest / both df | best peer / default | evaluations | above |",
        "|---" * 15 + "|",
    ]
    for cell in result["cells"]:
        for name, model in cell["models"].items():
            lines.append(_row(cell, name, model))
    return "\n".join(lines)


def _row(cell: dict[str, Any], name: str, model: dict[str, Any]) -> str:
    r, peers = model["r"], model["peers"]
    times = [seconds for seconds in peers.values() if seconds is not None]
    values = [
        f"{cell['n']:,}, {cell['institutions']:,}", name + (" (boundary)" if model["boundary"] else ""),
        _ms(model["fit"]), _ms(model["default"]), _ms(model["both_df"]), _ms(r["lmer"]), _ms(r["lmerTest"]),
        _ms(r["kenward_roger"]), _ms(peers.get("glmm")), _ms(peers.get("mixedlm")),
        f"{r['lmer'] / model['fit']:.0f}", f"{r['lmerTest'] / model['both_df']:.0f}",
        f"{min(times) / model['default']:.1f}" if times else "-", str(model["evaluations"]),
        f"{model['criterion'] - r['criterion']:.1e}",
    ]  # fmt: skip
    return "| " + " | ".join(values) + " |"


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{1e3 * seconds:.2f}" if seconds < 0.01 else f"{1e3 * seconds:,.0f}"


def _memory(result: dict[str, Any]) -> str:
    lines = [
        "## Peak memory of the process, MB",
        "",
        "| rows, institutions | ours | lme4 | ratio |",
        "|---|---|---|---|",
    ]
    for cell in result["cells"]:
        ours, r = cell["peak_mb"], cell["r_peak_mb"]
        lines.append(f"| {cell['n']:,}, {cell['institutions']:,} | {ours:.0f} | {r:.0f} | {ours / r:.2f} |")
    return "\n".join(lines)


def _rest(result: dict[str, Any]) -> str:
    cold = result["cold"]
    lines = [
        "## A cold process, and two halves added",
        "",
        f"Start, imports, a csv file of 5,000 rows and one 3-level fit: ours {cold['ours']:.2f} s "
        f"(default df), Rscript with lme4 {cold['r']:.2f} s.",
        "",
        "Rows split at random, each half reduced apart, sums added, then fitted, against all rows at once:",
        "",
        "| model | criterion, relative | coefficients, standard errors | variances, relative |",
        "|---|---|---|---|",
    ]
    for name, found in result["halves"].items():
        lines.append(
            f"| {name} | {found['criterion']:.1e} | {found['coefficients']:.1e} | {found['variances']:.1e} |"
        )
    return "\n".join(lines)
