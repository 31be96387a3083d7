"""A ladder of invariance as aligned text; rounding happens here and only here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from implstats.sem.text import number

if TYPE_CHECKING:
    from implstats.sem.after.invariance import InvarianceLadder, InvarianceStep

HEAD = (
    f"{'step':<12}{'chi2':>10}{'df':>6}{'CFI':>8}{'RMSEA':>8}{'SRMR':>8}{'d chi2':>10}{'d df':>6}{'p':>8}"
    f"{'d CFI':>8}{'d RMSEA':>9}{'d SRMR':>8}"
)


def ladder_text(ladder: InvarianceLadder) -> str:
    """Return one line a step, then what was released and why a step has no test."""
    across = f"across {ladder.group} ({', '.join(ladder.labels)})" if ladder.group else "over waves"
    lines = [f"Measurement invariance {across}; difference test: {ladder.method}", "", HEAD]
    lines += [_line(step) for step in ladder.steps]
    released = ladder.steps[-1].released
    if released:
        lines.append(f"Released: {', '.join(released)}")
    for step in ladder.steps:
        if step.fit.verdict != "ok" and step.fit.reason:
            lines.append(f"{step.name}: {step.fit.verdict}. {step.fit.reason}")
        if step.difference is not None and step.difference.reason:
            lines.append(f"{step.name}: {step.difference.reason}")
    return "\n".join(line.rstrip() for line in lines)


def _line(step: InvarianceStep) -> str:
    fit, d = step.fit.fit, step.difference
    scaled = fit.get("chisq.scaled")
    out = f"{step.name:<12}{number(fit['chisq'] if scaled is None else scaled, width=10)}"
    out += number(fit["df"], width=6, decimals=0)
    for name in ("cfi", "rmsea"):
        robust = fit.get(f"{name}.robust")
        out += number(fit[name] if robust is None else robust, width=8)
    out += number(fit["srmr"], width=8)
    if d is None:
        return out
    out += number(d.chisq, width=10) + f"{d.df:>6}" + _p_value(d.p_value)
    return out + number(d.cfi, width=8) + number(d.rmsea, width=9) + number(d.srmr, width=8)


def _p_value(p: float | None) -> str:
    return "  < .001" if p is not None and p < 0.001 else number(p, width=8)
