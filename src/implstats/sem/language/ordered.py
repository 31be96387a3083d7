"""Rows that ordered items add to a parameter table, and what may be said about them.

Thresholds ``y | t1`` .. follow what the user wrote, response scales ``y ~*~ y`` the (co)variances. Fixed by
default: intercepts at zero, residual variances and scales at one. Under the delta parameterisation residual
variances follow from the estimate, under theta the scales do. Across groups the scales of ordered items are
identified as Wu & Estabrook (2016) show: equal thresholds free intercepts and residual variances (scales)
from the second group on, equal intercepts take the former back and free the latent means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from implstats.errors import UsageError, did_you_mean
from implstats.sem.language.names import Names
from implstats.sem.language.rows import Key, Row
from implstats.sem.language.syntax import Term
from implstats.sem.options import Options


def threshold_rows(options: Options) -> list[Row]:
    """Return the default thresholds, item by item."""
    return [Row(item, "|", f"t{k}") for item, count in options.thresholds for k in range(1, count + 1)]


def scale_rows(options: Options) -> list[Row]:
    """Return the default response scales; without automatic variances the residual ones before them."""
    own = [] if options.automatic else [Row(item, "~~", item) for item, _ in options.thresholds]
    return own + [Row(item, "~*~", item, fixed=1.0) for item, _ in options.thresholds]


def check_ordered(
    terms: Sequence[Term], user: Mapping[Key, Row], names: Names, options: Options, problems: list[str]
) -> None:
    """Add what is wrong with ordered items in a model text to ``problems``."""
    if not options.ordered:
        return
    counts = dict(options.thresholds)
    for name in options.ordered:
        if name not in names.observed:
            problems.append(f"ordered item '{name}' is not in the model{did_you_mean(name, names.observed)}")
        elif name in names.x:
            problems.append(
                f"'{name}' only predicts, so it is not an ordered outcome; leave it out of ordered"
            )
    for term in terms:
        if term.op in ("|", "~*~") and term.lhs not in counts:
            problems.append(f"line {term.line}: '{term.lhs}' has thresholds or a scale but is not in ordered")
        elif term.op == "|" and term.rhs not in {f"t{k}" for k in range(1, counts[term.lhs] + 1)}:
            problems.append(
                f"line {term.line}: '{term.lhs}' has {counts[term.lhs]} threshold(s), t1 to "
                f"t{counts[term.lhs]}; '{term.rhs}' is none of them"
            )
    delta = options.parameterization == "delta"
    for row in user.values():
        if (
            row.op == "~~"
            and row.lhs == row.rhs
            and row.lhs in counts
            and options.parameterization == "delta"
        ):
            problems.append(
                f"line {row.line}: the residual variance of the ordered '{row.lhs}' follows from the others "
                "under the delta parameterisation; use parameterization 'theta'"
            )
        if row.op == "~*~" and not delta:
            problems.append(
                f"line {row.line}: the scale of '{row.lhs}' follows from the others under the theta "
                "parameterisation; use parameterization 'delta'"
            )
        if delta and row.op == "~" and row.rhs in counts:
            problems.append(
                f"line {row.line}: the ordered '{row.rhs}' is an outcome and a predictor, which needs "
                "parameterization 'theta'"
            )


def fix_ordered(rows: Sequence[Row], options: Options) -> None:
    """Fix intercepts, residual variances and scales of ordered items, unless the user wrote them."""
    items = set(options.ordered)
    for row in rows:
        if row.lhs not in items:
            continue
        if row.op == "~1" and not row.user:
            row.fixed = 0.0
        if (row.op == "~*~" or (row.op == "~~" and row.lhs == row.rhs)) and not row.user:
            row.fixed = 1.0


def free_in_later_groups(row: Row, options: Options) -> None:
    """Free what equal thresholds identify in the second and later groups."""
    if row.user or row.lhs not in options.ordered or "thresholds" not in options.group_equal:
        return
    if row.op == "~1" and "intercepts" not in options.group_equal:
        row.fixed = None
    own = row.op == "~~" and row.lhs == row.rhs and options.parameterization == "theta"
    scale = row.op == "~*~" and options.parameterization == "delta"
    if (own or scale) and "residuals" not in options.group_equal:
        row.fixed = None


def check_group_equal(options: Options) -> None:
    """Raise :class:`UsageError` for equalities that do not identify the scales of ordered items."""
    equal = options.group_equal
    if not options.ordered:
        return
    later = [word for word in ("loadings", "intercepts", "residuals") if word in equal]
    if later and "thresholds" not in equal:
        raise UsageError(
            f"group_equal {', '.join(later)} with ordered items needs equal thresholds too, which give the "
            "groups one response scale (Wu & Estabrook 2016). Add 'thresholds'."
        )
    if "intercepts" in equal and "loadings" not in equal:
        raise UsageError(
            "group_equal intercepts with ordered items needs equal loadings too. Add 'loadings'."
        )
    if "residuals" in equal and options.parameterization == "delta":
        raise UsageError(
            "group_equal residuals with ordered items needs parameterization 'theta', where residual "
            "variances are parameters."
        )
    short = [name for name, count in options.thresholds if count < 2]
    if "thresholds" in equal and short:
        raise UsageError(
            f"group_equal thresholds: {', '.join(short)} has two categories. A single threshold cannot be "
            "told apart from intercept and scale (Wu & Estabrook 2016), so its equality has no test. Fit "
            "the items with three or more categories, or compare groups with labels under your own "
            "identification."
        )
