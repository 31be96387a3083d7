"""The parameter table: the one representation of a model, with lavaan's defaults and row order.

Rows in order: what the user wrote; then, unless ``kind="lavaan"``, residual variances of observed variables
(exogenous ones apart), variances of latent variables, covariances of exogenous latent variables and of
outcomes that predict nothing; then moments of exogenous observed variables; then intercepts, if means are
modelled; then the definitions. Defaults after Rosseel (2012, section 3 and appendix).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from implstats.sem.language.constraints import Constraint, read_constraints
from implstats.sem.language.defined import names_in, parse_definition, unknown_label_message
from implstats.sem.language.groups import equate_groups, rows_by_group
from implstats.sem.language.modifiers import apply_modifiers, share_labels
from implstats.sem.language.names import Names, find_names
from implstats.sem.language.ordered import check_ordered, fix_ordered, scale_rows, threshold_rows
from implstats.sem.language.rows import Definition, Row
from implstats.sem.language.support import refuse_unsupported
from implstats.sem.language.syntax import ModelText, ModelTextError, Term
from implstats.sem.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterTable:
    """A whole model.

    Attributes
    ----------
    rows : tuple of Row
        All parameters but the defined ones.
    definitions : tuple of Definition
    names : Names
    means : bool
        Whether means are modelled.
    n_free : int
        Free parameters, shared ones counted once.
    notes : tuple of (str, str)
        Name and sentence of whatever the reader should know about the defaults taken.
    groups : tuple of str
        Labels of the groups; one empty text without groups. Every group has the same rows in the same order.
    constraints : tuple of Constraint
    """

    rows: tuple[Row, ...]
    definitions: tuple[Definition, ...]
    names: Names
    means: bool
    n_free: int
    notes: tuple[tuple[str, str], ...] = field(default=())
    groups: tuple[str, ...] = ("",)
    constraints: tuple[Constraint, ...] = ()

    def of_group(self, group: int) -> tuple[Row, ...]:
        """Return the rows of one group, numbered from 1."""
        if len(self.groups) == 1:
            return self.rows
        size = len(self.rows) // len(self.groups)
        return self.rows[(group - 1) * size : group * size]

    def free_names(self) -> list[str]:
        """Return a readable name of each free parameter: its first row's, with its own group or level."""
        first: dict[int, Row] = {}
        shared: set[int] = set()
        for row in self.rows:
            if row.free:
                found = first.setdefault(row.free, row)
                if (found.group, found.level) != (row.group, row.level):
                    shared.add(row.free)
        several, levels = len(self.groups) > 1, any(row.level > 1 for row in self.rows)
        if not several and not levels:
            return [first[k].name for k in sorted(first)]
        names = []
        for k, row in sorted(first.items()):
            group = f" [{self.groups[row.group - 1]}]" if several and k not in shared else ""
            level = f" (level {row.level})" if levels and k not in shared else ""
            names.append(row.name + group + level)
        return names


def build_table(text: ModelText, options: Options, *, groups: tuple[str, ...] = ("",)) -> ParameterTable:
    """Return the parameter table of a model text under the given options.

    Parameters
    ----------
    groups : tuple of str
        Labels of the groups, in the order of the data.

    Raises
    ------
    ModelTextError
        Contradictions, all at once.
    NotSupportedError
        Parts of the language that this version does not fit.
    """
    refuse_unsupported(text, ordered=bool(options.ordered))
    problems: list[str] = []
    names = find_names(text.terms)
    user = _user_rows(text.terms, problems)
    check_ordered(text.terms, user, names, options, problems)
    means = (
        bool(options.meanstructure) or options.kind == "growth" or any(r.op == "~1" for r in user.values())
    )
    if options.meanstructure is False and means:
        problems.append(
            "meanstructure is switched off, but the model has intercepts; leave one of the two out"
        )
    rows = dict(user)
    for row in _default_rows(names, options, means):
        rows.setdefault(_key(row.lhs, row.op, row.rhs), row)
    table = list(rows.values())
    _fix_by_default(table, names, options)
    fix_ordered(table, options)
    table = rows_by_group(table, names, options, len(groups))
    apply_modifiers(table, text.terms, _key, len(groups), problems)
    notes = [*_notes(names, options), *_label_notes(text.terms, len(groups), options)]
    equate_groups(table, names, options, problems)
    share_labels(table, problems)
    definitions = read_definitions(text, table, problems)
    others = (e for e in text.expressions if e.op != ":=")
    constraints = read_constraints(others, table, definitions, problems)
    if problems:
        raise ModelTextError("The model", problems)
    n_free = number_rows(table)
    return ParameterTable(
        rows=tuple(table), definitions=definitions, names=names, means=means, n_free=n_free,
        notes=tuple(notes), groups=groups, constraints=constraints,
    )  # fmt: skip


def _key(lhs: str, op: str, rhs: str) -> tuple[str, str, str]:
    return (rhs, op, lhs) if op == "~~" and rhs < lhs else (lhs, op, rhs)


def _user_rows(terms: tuple[Term, ...], problems: list[str]) -> dict[tuple[str, str, str], Row]:
    rows: dict[tuple[str, str, str], Row] = {}
    for term in terms:
        key = _key(term.lhs, term.op, term.rhs)
        row = Row(term.lhs, term.op, term.rhs, user=True, line=term.line)
        if term.op in ("=~", "~") and term.lhs == term.rhs:
            problems.append(f"line {term.line}: '{term.lhs}' stands on both sides of '{term.op}'")
        old = rows.get(key)
        if old is not None and not term.modifiers:
            problems.append(
                f"line {term.line}: '{row.name}' stands in the model already (line {old.line}); write it once"
            )
        rows.setdefault(key, row)
    return rows


def _pairs(names: tuple[str, ...], *, diagonal: bool) -> list[tuple[str, str]]:
    return [(a, b) for i, a in enumerate(names) for b in names[i if diagonal else i + 1 :]]


def _default_rows(names: Names, options: Options, means: bool) -> list[Row]:
    x = set(names.x)
    rows: list[Row] = threshold_rows(options)
    if options.automatic:
        modelled = [v for v in names.observed if v not in x]
        rows += [Row(v, "~~", v) for v in (*modelled, *names.latent)]
        rows += [Row(a, "~~", b) for a, b in _pairs(names.latent_x, diagonal=False)]
        rows += [Row(a, "~~", b) for a, b in _pairs((*names.latent_y, *names.observed_y), diagonal=False)]
    rows += [Row(a, "~~", b, exo=options.fixed_x) for a, b in _pairs(names.x, diagonal=True)]
    rows += scale_rows(options)
    if means:
        rows += [Row(v, "~1", "", exo=options.fixed_x and v in x) for v in names.observed]
        rows += [Row(v, "~1", "") for v in names.latent]
    return rows


def _fix_by_default(rows: list[Row], names: Names, options: Options) -> None:
    """Scale latent variables; fix lone residuals, orthogonal covariances and unmentioned means."""
    latent = set(names.latent)
    single = _single_indicators(rows) if options.automatic else set()
    scaled: set[str] = set()
    for row in rows:
        if row.op == "=~":
            if options.automatic and not options.std_lv and row.lhs not in scaled:
                row.fixed = 1.0
            scaled.add(row.lhs)
        elif row.op == "~~" and row.lhs == row.rhs:
            if options.std_lv and row.lhs in latent:
                row.fixed = 1.0
            if not row.user and row.lhs in single:
                row.fixed = 0.0
        elif (
            row.op == "~~" and not row.user and options.orthogonal and row.lhs in latent and row.rhs in latent
        ):
            row.fixed = 0.0
        elif row.op == "~1" and not row.user and not row.exo:
            is_free = options.free_latent_means if row.lhs in latent else options.free_observed_means
            row.fixed = None if is_free else 0.0


def _single_indicators(rows: list[Row]) -> set[str]:
    """Indicators that are alone in measuring their latent variable and measure no other."""
    loadings = [row for row in rows if row.op == "=~"]
    per_latent = Counter(row.lhs for row in loadings)
    per_indicator = Counter(row.rhs for row in loadings)
    return {row.rhs for row in loadings if per_latent[row.lhs] == 1 and per_indicator[row.rhs] == 1}


def number_rows(rows: Sequence[Row]) -> int:
    """Number the free parameters from 1, one label once; return how many there are."""
    numbers: dict[str, int] = {}
    count = 0
    for row in rows:
        if row.exo or row.fixed is not None:
            row.free = 0
            continue
        if row.label and row.label in numbers:
            row.free = numbers[row.label]
            continue
        count += 1
        row.free = count
        if row.label:
            numbers[row.label] = count
    return count


def read_definitions(text: ModelText, rows: Sequence[Row], problems: list[str]) -> tuple[Definition, ...]:
    """Return the definitions; what cannot be read is added to ``problems``."""
    known = {row.label for row in rows if row.label}
    definitions = [e for e in text.expressions if e.op == ":="]
    later = {e.lhs: e.line for e in definitions}
    found: list[Definition] = []
    for expression in definitions:
        try:
            tree = parse_definition(expression.rhs, name=expression.lhs)
        except ModelTextError as error:
            problems.extend(f"line {expression.line}: {problem}" for problem in error.problems)
            continue
        unknown = sorted(names_in(tree) - known)
        problems.extend(
            f"line {expression.line}: "
            + (
                f"definition '{expression.lhs}' uses '{label}', which is defined on line {later[label]}; "
                "define it before, and in no circle"
                if label in later
                else unknown_label_message(expression.lhs, label, known)
            )
            for label in unknown
        )
        if expression.lhs in known:
            problems.append(
                f"line {expression.line}: '{expression.lhs}' is a label already; name the definition "
                "otherwise"
            )
        known.add(expression.lhs)
        text_without_blanks = "".join(expression.rhs.split())
        found.append(Definition(name=expression.lhs, text=text_without_blanks, tree=tree))
    return tuple(found)


def _label_notes(terms: tuple[Term, ...], n_groups: int, options: Options) -> list[tuple[str, str]]:
    """Say that one label in a model of several groups makes a parameter equal in all of them."""
    if n_groups == 1 or options.group_equal:
        return []
    labels = {
        str(m.values[0]) for t in terms for m in t.modifiers if m.kind == "label" and len(m.values) == 1
    }
    if not labels:
        return []
    return [(
        "labels",
        f"The label(s) {', '.join(sorted(labels))} stand for all groups, so these parameters are equal in "
        "all groups. Where that is not meant, give one label a group, as in 'c(a1, a2)*x'.",
    )]  # fmt: skip


def _notes(names: Names, options: Options) -> tuple[tuple[str, str], ...]:
    notes = []
    if names.x_mentioned:
        notes.append((
            "exogenous",
            f"The model mentions a (co)variance or intercept of {', '.join(names.x_mentioned)}, so these "
            "predictors are modelled as random and their moments count as parameters.",
        ))  # fmt: skip
    if names.x and not options.fixed_x:
        notes.append((
            "exogenous",
            f"Under {options.estimator} the predictors {', '.join(names.x)} are treated as random: their "
            "moments count as parameters; estimates and degrees of freedom are those of fixed predictors.",
        ))  # fmt: skip
    return tuple(notes)
