"""Residual structures against brute force with n x n matrices, special cases, invariance, simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag

from implstats import mixed
from implstats.mixed.design.build import build_design
from implstats.mixed.design.formula import read_formula
from implstats.mixed.design.standardise import standardise
from implstats.mixed.residual.fit import set_up_residual, start_at
from implstats.mixed.residual.persons import with_persons
from implstats.mixed.residual.structure import Structure
from implstats.mixed.residual.term import read_residual

CRITERION = 1e-9  # two ways through double precision, at a criterion of some hundreds
BY_DIFFERENCES = 2e-6  # central differences of step 1e-5, relative to the largest element
KENWARD_ROGER = 1e-8  # relative; n x n inverses in other parameters than ours
SATTERTHWAITE = 1e-6  # relative; one central difference of an exact gradient
FORMULAS = {
    "y ~ wave + x": "",
    "y ~ wave + x + (1 | inst)": "",
    "y ~ wave + x + (1 | inst/person)": "intercept",
    "y ~ wave + x + (1 + wave | person)": "slope",
    "y ~ wave + x + (0 + x2 | person) + (1 | inst)": "continuous",
}
SLOPES = {"slope": (0.7, 0.0), "continuous": (0.0, 0.7)}
CASES = [
    (formula, kind)
    for formula, own in FORMULAS.items()
    for kind in ("ident", "ar1", "ar1ident", "un")
    if not (own and kind == "un")
]


def make(
    seed: int, *, institutions: int = 5, persons: int = 6, waves: tuple[int, ...] = (0, 1, 2, 4),
    rho: float = 0.5, sd_inst: float = 0.6, sd_slopes: tuple[float, float] = (0.0, 0.0), lost: float = 0.2,
) -> pd.DataFrame:  # fmt: skip
    """Return waves (the fourth one a step late) in persons in institutions, AR(1), rows lost at random."""
    rng = np.random.default_rng(seed)
    n = institutions * persons
    at = np.array(waves, dtype=float)
    C = rho ** np.abs(at[:, None] - at)
    sd = 0.5 + 0.15 * np.arange(len(waves))
    e = rng.normal(size=(n, len(waves))) @ np.linalg.cholesky(C).T * sd
    inst = np.repeat(np.arange(institutions), persons)
    u, v = sd_inst * rng.normal(size=institutions)[inst], 0.7 * rng.normal(size=n)
    wave = np.tile(np.array(waves), n)
    frame = pd.DataFrame(
        {"wave": wave, "person": np.repeat(np.arange(n), len(waves)), "inst": np.repeat(inst, len(waves))}
    )
    frame["x"], frame["x2"] = rng.normal(size=n)[frame["person"]], rng.normal(size=len(frame))
    slopes = np.array(sd_slopes) * rng.normal(size=(n, 2))[frame["person"]]
    frame["y"] = (slopes * frame[["wave", "x2"]]).sum(axis=1)
    frame["y"] += 2 + 0.3 * wave + 0.4 * frame["x"] + (u + v)[frame["person"]] + e.reshape(-1)
    return frame[rng.random(len(frame)) > lost].reset_index(drop=True)


def residual_by_loops(kind: str, waves: np.ndarray, wave: np.ndarray, par: np.ndarray) -> np.ndarray:
    """Return one person's residual covariance from variances, correlation or covariances, by loops.

    par: ident, variances; ar1, (variance, rho); ar1ident, (variances, rho); un, lower triangle by columns.
    """
    W = len(waves)
    full = np.zeros((W, W), dtype=par.dtype)
    lower = iter(par)
    for b in range(W):
        for a in range(b, W):
            if kind == "un":
                full[a, b] = full[b, a] = next(lower)
            elif kind == "ident":
                full[a, b] = par[a] if a == b else 0.0
            else:
                sds = np.sqrt(par[:-1]) if kind == "ar1ident" else np.sqrt(par[0]) * np.ones(W)
                full[a, b] = full[b, a] = sds[a] * sds[b] * par[-1] ** abs(int(waves[a]) - int(waves[b]))
    here = np.searchsorted(waves, wave)
    return full[np.ix_(here, here)]


class Brute:
    """V of all rows as a function of natural, absolute parameters, and what follows from it."""

    def __init__(self, formula: str, kind: str, frame: pd.DataFrame) -> None:
        design = build_design(read_formula(formula, random_needed=False), frame, weights=None)
        self.kind, self.waves = kind, np.unique(frame["wave"].to_numpy())
        self.frame, self.levels = frame, design.levels
        self.X, self.y = design.X, design.y
        self.order = np.argsort(frame["person"].to_numpy(), kind="stable")
        self.back = np.argsort(self.order)

    def whole(self, par: np.ndarray, G: list[np.ndarray]) -> np.ndarray:
        sorted_rows = self.frame.iloc[self.order]
        parts = [
            residual_by_loops(self.kind, self.waves, own["wave"].to_numpy(), par)
            for _, own in sorted_rows.groupby("person", sort=True)
        ]
        V = block_diag(*parts)[np.ix_(self.back, self.back)]
        for level, g in zip(self.levels, G, strict=True):
            same = level.clusters.codes[:, None] == level.clusters.codes[None, :]
            V = V + same * (level.Z @ g @ level.Z.T)
        return V

    def pieces(self, gamma: np.ndarray) -> np.ndarray:
        """Return V at gamma = (lower triangles of each G, residual parameters)."""
        G, at = [], 0
        for level in self.levels:
            q = level.Z.shape[1]
            g = np.zeros((q, q), dtype=gamma.dtype)
            for c in range(q):
                for r in range(c, q):
                    g[r, c] = g[c, r] = gamma[at]
                    at += 1
            G.append(g)
        return self.whole(gamma[at:], G)

    def derivatives(self, gamma: np.ndarray) -> np.ndarray:
        """Return dV/dgamma by complex steps, exact to rounding."""
        out = []
        for k in range(len(gamma)):
            moved = gamma.astype(complex)
            moved[k] += 1e-30j
            out.append(self.pieces(moved).imag / 1e-30)
        return np.array(out)

    def criterion(self, V: np.ndarray, *, reml: bool) -> float:
        """Return -2 (restricted) log-likelihood, nothing profiled but the coefficients."""
        W, n, p = np.linalg.inv(V), len(self.y), self.X.shape[1]
        XWX = self.X.T @ W @ self.X
        r = self.y - self.X @ np.linalg.solve(XWX, self.X.T @ W @ self.y)
        value = np.linalg.slogdet(V)[1] + r @ W @ r + (n - p if reml else n) * np.log(2 * np.pi)
        return float(value + (np.linalg.slogdet(XWX)[1] if reml else 0.0))

    def gradient(self, gamma: np.ndarray) -> np.ndarray:
        """Return the derivatives of the REML criterion."""
        W = np.linalg.inv(self.pieces(gamma))
        P = W - W @ self.X @ np.linalg.solve(self.X.T @ W @ self.X, self.X.T @ W)
        Py = P @ self.y
        return np.array([np.sum(P * Vr) - Py @ Vr @ Py for Vr in self.derivatives(gamma)])

    def kenward_roger(self, gamma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the adjusted covariance and df of each coefficient, without second derivatives of V."""
        V, D, X = self.pieces(gamma), self.derivatives(gamma), self.X
        W = np.linalg.inv(V)
        Phi, R = np.linalg.inv(X.T @ W @ X), len(gamma)
        WD = W @ D
        P = -(X.T @ WD @ W @ X)
        left, right = X.T @ WD, WD @ W @ X
        Q = np.array([[left[i] @ right[j] for j in range(R)] for i in range(R)])
        info = np.array(
            [[0.5 * (np.sum(WD[i] * WD[j].T) - 2 * np.trace(Phi @ Q[i, j])
                     + np.trace(Phi @ P[i] @ Phi @ P[j])) for j in range(R)] for i in range(R)]
        )  # fmt: skip
        S = np.linalg.inv(info)
        inner = sum(S[i, j] * (Q[i, j] - P[i] @ Phi @ P[j]) for i in range(R) for j in range(R))
        adjusted = Phi + 2 * Phi @ inner @ Phi
        change = np.einsum("ki,rij,kj->kr", Phi, P, Phi)
        df = 2 * np.diag(Phi) ** 2 / np.einsum("kr,rs,ks->k", change, S, change)
        return adjusted, df

    def hessian(self, gamma: np.ndarray) -> np.ndarray:
        """Return the Hessian of the REML criterion by differences of its exact gradient."""
        step = 1e-5 * np.maximum(np.abs(gamma), 1e-2)
        moves = np.diag(step)
        H = np.array([(self.gradient(gamma + m) - self.gradient(gamma - m)) / (2 * m.max()) for m in moves])
        return 0.5 * (H + H.T)

    def satterthwaite(self, gamma: np.ndarray) -> np.ndarray:
        """Return df of each coefficient from the observed Hessian."""
        W = np.linalg.inv(self.pieces(gamma))
        Phi = np.linalg.inv(self.X.T @ W @ self.X)
        change = np.array(
            [np.diag(Phi @ self.X.T @ W @ D @ W @ self.X @ Phi) for D in self.derivatives(gamma)]
        )
        A = 2 * np.linalg.inv(self.hessian(gamma))
        return 2 * np.diag(Phi) ** 2 / np.einsum("rk,rs,sk->k", change, A, change)


def estimates(result: mixed.MixedResult) -> np.ndarray:
    """Return gamma of a fit (at most two effects a level): G from the lowest up, then the residual."""
    own = result.residual
    assert own is not None
    gamma = [effect.covariance for effect in result.random]
    if own.kind == "un":
        gamma += [own.covariance[a, b] for b in range(len(own.waves)) for a in range(b, len(own.waves))]
    else:
        gamma += [sd**2 for sd in (own.sd[:1] if own.kind == "ar1" else own.sd)]
        gamma += [] if own.rho is None else [own.rho]
    return np.array(gamma)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(("formula", "kind"), CASES)
def test_criterion_equals_the_full_matrix(formula: str, kind: str, reml: bool) -> None:
    frame = make(1)
    result = mixed.fit(formula, frame, residual=f"{kind}(wave | person)", reml=reml, df="none")
    assert result.verdict != "failed"
    brute = Brute(formula, kind, frame)
    V = brute.pieces(estimates(result))
    assert result.criterion == pytest.approx(brute.criterion(V, reml=reml), abs=CRITERION)
    W = np.linalg.inv(V)
    C = np.linalg.inv(brute.X.T @ W @ brute.X)
    assert [f.std_error for f in result.fixed] == pytest.approx(np.sqrt(np.diag(C)), rel=1e-9)
    assert [f.estimate for f in result.fixed] == pytest.approx(C @ brute.X.T @ W @ brute.y, rel=1e-9)


@pytest.mark.parametrize(("formula", "kind"), CASES)
def test_gradient_and_hessian_are_those_of_the_criterion(formula: str, kind: str) -> None:
    frame = make(2)
    term = read_residual(f"{kind}(wave | person)")
    design = build_design(read_formula(formula, random_needed=False), frame, weights=None)
    design, waves = with_persons(design, frame, term)
    _, problem = set_up_residual(design, standardise(design), waves, term, reml=True)
    rng = np.random.default_rng(3)
    theta = start_at(problem, 0.6, 0.3) + 0.2 * rng.normal(size=problem.shape.size)
    at, h = problem(theta), 1e-5
    up = [problem(theta + h * e) for e in np.eye(len(theta))]
    down = [problem(theta - h * e) for e in np.eye(len(theta))]
    gradient = np.array([(u.value - d.value) / (2 * h) for u, d in zip(up, down, strict=True)])
    hessian = np.array([(u.gradient - d.gradient) / (2 * h) for u, d in zip(up, down, strict=True)])
    assert np.abs(at.gradient - gradient).max() < BY_DIFFERENCES * np.abs(gradient).max()
    assert np.abs(at.hessian - hessian).max() < BY_DIFFERENCES * np.abs(hessian).max()


@pytest.mark.parametrize(("formula", "kind"), CASES)
def test_df_equal_brute_force(formula: str, kind: str) -> None:
    frame = make(13, institutions=8, persons=8, rho=0.3, sd_slopes=SLOPES.get(FORMULAS[formula], (0.0, 0.0)))
    fits = {
        df: mixed.fit(formula, frame, residual=f"{kind}(wave | person)", df=df)
        for df in ("kenward-roger", "satterthwaite")
    }
    result = fits["kenward-roger"]
    assert not result.boundary
    brute = Brute(formula, kind, frame)
    covariance, df = brute.kenward_roger(estimates(result))
    assert result.covariance == pytest.approx(covariance, rel=KENWARD_ROGER, abs=1e-12)
    assert [f.df for f in result.fixed] == pytest.approx(df, rel=KENWARD_ROGER)
    own = [f.df for f in fits["satterthwaite"].fixed]
    assert own == pytest.approx(brute.satterthwaite(estimates(result)), rel=SATTERTHWAITE)


@pytest.mark.parametrize("kind", ["ident", "ar1", "ar1ident", "un"])
def test_intervals_come_from_the_hessian(kind: str) -> None:
    """In log SD and atanh(rho), standard errors are those of variances and rho over their derivatives."""
    frame, formula = make(13, institutions=8, persons=8, rho=0.3), "y ~ wave + x + (1 | inst)"
    result = mixed.fit(formula, frame, residual=f"{kind}(wave | person)", df="none")
    gamma, own = estimates(result), result.residual
    A = 2.0 * np.linalg.inv(Brute(formula, kind, frame).hessian(gamma))
    error = np.sqrt(np.diag(A))[len(result.random) :]
    z = 1.959963984540054
    at = [0] * 4 if kind == "ar1" else ([0, 4, 7, 9] if kind == "un" else range(4))
    for k, low, sd, high in zip(at, own.sd_low, own.sd, own.sd_high, strict=True):
        half = z * error[k] / (2.0 * sd**2)
        assert [low, high] == pytest.approx([sd * np.exp(-half), sd * np.exp(half)], rel=1e-6)
    if own.rho is not None:
        half = z * error[-1] / (1.0 - own.rho**2)
        expected = np.tanh([np.arctanh(own.rho) - half, np.arctanh(own.rho) + half])
        assert [own.rho_low, own.rho_high] == pytest.approx(expected, rel=1e-6)


def test_kenward_roger_at_a_zero_variance() -> None:
    frame = make(11, sd_inst=0.0, institutions=6)
    formula = "y ~ wave + x + (1 | inst)"
    result = mixed.fit(formula, frame, residual="ar1ident(wave | person)")
    assert result.boundary
    assert result.random[0].covariance < 1e-20  # a square of rounding
    covariance, df = Brute(formula, "ar1ident", frame).kenward_roger(estimates(result))
    assert [f.df for f in result.fixed] == pytest.approx(df, rel=KENWARD_ROGER)
    assert result.covariance == pytest.approx(covariance, rel=KENWARD_ROGER, abs=1e-12)


def test_a_residual_variance_of_zero_is_said_and_has_no_interval() -> None:
    """Here intercept and slope explain the first wave fully: a limit, which the search still reaches."""
    frame = make(5, institutions=8, persons=8, rho=0.3, sd_slopes=(0.7, 0.0))
    result = mixed.fit("y ~ wave + x + (1 + wave | person)", frame, residual="ident(wave | person)")
    assert result.verdict == "caution"
    assert result.boundary
    assert result.residual.sd[0] < 1e-3
    assert result.residual.sd_low[0] is None
    assert result.fixed[0].df_method == "kenward-roger"
    said = {c.name: c for c in result.checks}
    assert "at wave 0 is estimated as zero" in said["residual"].message
    assert "boundary" not in said


def test_a_likelihood_without_maximum_is_a_failed_fit() -> None:
    """Two persons have all four waves: un can give them a linear combination of waves with no variance."""
    full = make(3, lost=0.0, institutions=6, persons=5)
    small = full[(full["person"] < 2) | (full["person"] % 4 == full["wave"].map({0: 0, 1: 1, 2: 2, 4: 3}))]
    failed = mixed.fit("y ~ 1", small, residual="un(wave | person)", df="none")
    assert failed.verdict == "failed"
    assert failed.residual is None
    assert "2 of 30 persons have all 4 waves" in failed.reason


def test_waves_far_apart_do_not_hold_the_search_at_zero() -> None:
    """With distances of three and more all derivatives vanish at rho = 0, the plain start."""
    frame = make(4, waves=(0, 3, 7), rho=0.8, institutions=10, persons=10)
    result = mixed.fit("y ~ wave + x", frame, residual="ar1(wave | person)")
    assert result.residual.rho > 0.5
    assert result.residual.rho_low > 0.0


@pytest.mark.parametrize("kind", ["ident", "ar1", "ar1ident", "un"])
def test_parameters_and_their_derivatives(kind: str) -> None:
    structure = Structure(kind=kind, waves=(1, 2, 3, 5))
    theta = 0.4 * np.random.default_rng(1).normal(size=structure.size)
    psi, slope, curved = structure.psi(theta)
    R, R1, R2 = structure.matrix(psi)
    assert R[0, 0] == 1.0
    assert np.linalg.eigvalsh(R)[0] > 0.0
    h = 1e-6
    for k, e in enumerate(np.eye(structure.size)):
        moved = (structure.psi(theta + h * e), structure.psi(theta - h * e))
        assert (moved[0][0] - moved[1][0]) / (2 * h) == pytest.approx(slope[:, k], abs=1e-8)
        assert (moved[0][1] - moved[1][1]) / (2 * h) == pytest.approx(curved[:, :, k], abs=1e-8)
        around = (structure.matrix(psi + h * e), structure.matrix(psi - h * e))
        assert (around[0][0] - around[1][0]) / (2 * h) == pytest.approx(R1[k], abs=1e-8)
        assert (around[0][1] - around[1][1]) / (2 * h) == pytest.approx(R2[:, k], abs=1e-8)


def test_a_skipped_wave_counts_as_two_steps() -> None:
    C = Structure(kind="ar1", waves=(0, 1, 3)).matrix(np.array([0.5]))[0]
    expected = np.array([[1, 0.5, 0.125], [0.5, 1, 0.25], [0.125, 0.25, 1]])
    assert np.abs(C - expected).max() < 1e-15


def test_rho_of_zero_is_the_plain_model() -> None:
    frame = make(5, rho=0.3)
    plain = mixed.fit("y ~ wave + x + (1 | inst/person)", frame, df="none")
    term = read_residual("ar1(wave | person)")
    design = build_design(read_formula("y ~ wave + x + (1 | inst/person)"), frame, weights=None)
    assert plain.model is not None
    scaled = plain.model.scaled
    design, waves = with_persons(design, frame, term)
    _, problem = set_up_residual(design, scaled, waves, term, reml=True)
    theta = np.array(plain.optimiser.theta)
    at = problem(np.insert(theta, 1, 0.0))
    assert at.value + scaled.constant_reml == pytest.approx(plain.criterion, abs=CRITERION)
    assert at.beta == pytest.approx(plain.model.optimum.search.at.beta, rel=1e-9, abs=1e-12)


def test_ident_at_one_wave_is_the_plain_model() -> None:
    frame = make(6)
    frame = frame[frame["wave"] == 1]
    plain = mixed.fit("y ~ x + (1 | inst)", frame)
    same = mixed.fit("y ~ x + (1 | inst)", frame, residual="ident(wave | person)")
    assert same.criterion == pytest.approx(plain.criterion, abs=CRITERION)
    assert [f.df for f in same.fixed] == pytest.approx([f.df for f in plain.fixed], rel=1e-6)
    assert same.residual_variance == pytest.approx(plain.residual_variance, rel=1e-6)


def test_a_random_intercept_is_compound_symmetry() -> None:
    """With two waves, a person intercept with ident is un: three numbers for three covariances."""
    frame = make(7, waves=(0, 1), institutions=12)
    un = mixed.fit("y ~ wave + x + (1 | inst)", frame, residual="un(wave | person)")
    intercept = mixed.fit("y ~ wave + x + (1 | inst/person)", frame, residual="ident(wave | person)")
    assert intercept.criterion == pytest.approx(un.criterion, abs=1e-8)
    variance = intercept.random[0].covariance
    expected = np.diag(np.square(intercept.residual.sd)) + variance
    assert un.residual.covariance == pytest.approx(expected, rel=1e-5)
    assert [f.df for f in intercept.fixed] == pytest.approx([f.df for f in un.fixed], rel=1e-4)
    both = mixed.fit("y ~ wave + x + (1 | inst)", frame, residual="ar1ident(wave | person)")
    assert both.criterion == pytest.approx(un.criterion, abs=1e-8)
    plain = mixed.fit("y ~ wave + x + (1 | inst/person)", frame)
    ar1 = mixed.fit("y ~ wave + x + (1 | inst)", frame, residual="ar1(wave | person)")
    assert ar1.criterion == pytest.approx(plain.criterion, abs=1e-8)
    total = plain.residual_variance + plain.random[0].covariance
    assert ar1.residual.rho == pytest.approx(plain.random[0].covariance / total, rel=1e-5)
    assert ar1.residual_variance == pytest.approx(total, rel=1e-5)


def test_complete_balanced_mmrm_is_exact() -> None:
    """One sample, all waves: unstructured REML gives the sample covariance, means and n - 1 df (exactly)."""
    frame = make(8, lost=0.0, institutions=4, persons=5)
    result = mixed.fit("y ~ 0 + factor(wave)", frame, residual="un(wave | person)", df="kenward-roger")
    wide = frame.pivot(index="person", columns="wave", values="y").to_numpy()
    assert result.residual.covariance == pytest.approx(np.cov(wide.T), rel=1e-6)
    assert [f.estimate for f in result.fixed] == pytest.approx(wide.mean(axis=0), rel=1e-9)
    assert [f.df for f in result.fixed] == pytest.approx([19.0] * 4, rel=1e-6)
    assert [f.std_error for f in result.fixed] == pytest.approx(wide.std(axis=0, ddof=1) / 20**0.5, rel=1e-6)


@pytest.mark.parametrize("kind", ["ar1ident", "un"])
def test_row_order_names_and_units_do_not_matter(kind: str) -> None:
    frame = make(9)
    formula = "y ~ wave + x + (1 | inst)"
    a = mixed.fit(formula, frame, residual=f"{kind}(wave | person)")
    changed = frame.sample(frac=1.0, random_state=2).assign(
        person=lambda d: "p" + ((d["person"] * 7) % 30).astype(str), y=lambda d: 100.0 + 8.0 * d["y"]
    )
    b = mixed.fit(formula, changed, residual=f"{kind}(wave | person)")
    assert b.residual.sd == pytest.approx([8.0 * sd for sd in a.residual.sd], rel=1e-6)
    assert b.residual.correlation == pytest.approx(a.residual.correlation, rel=1e-6, abs=1e-9)
    assert [f.df for f in b.fixed] == pytest.approx([f.df for f in a.fixed], rel=1e-5)
    assert [f.std_error for f in b.fixed] == pytest.approx([8.0 * f.std_error for f in a.fixed], rel=1e-6)


def test_person_ids_may_start_anew_in_each_institution() -> None:
    frame = make(10)
    a = mixed.fit("y ~ wave + (1 | inst)", frame, residual="ar1(wave | person)")
    b = mixed.fit("y ~ wave + (1 | inst)", frame.assign(person=frame["person"] % 6),
                  residual="ar1(wave | inst/person)")  # fmt: skip
    assert b.criterion == pytest.approx(a.criterion, abs=1e-9)
    assert b.n_clusters == {"person:inst": 30, "inst": 5}


def test_labelled_waves_serve_where_no_distance_is_needed() -> None:
    frame = make(10)
    named = frame.assign(label=frame["wave"].map({0: "a", 1: "b", 2: "c", 4: "d"}))
    a = mixed.fit("y ~ wave + x", frame, residual="un(wave | person)")
    b = mixed.fit("y ~ wave + x", named, residual="un(label | person)")
    assert b.residual.waves == ("a", "b", "c", "d")
    assert b.residual.covariance == pytest.approx(a.residual.covariance, rel=1e-8)


def test_modes_equal_brute_force() -> None:
    frame, formula = make(12), "y ~ wave + x + (1 + wave | person) + (1 | inst)"
    result = mixed.fit(formula, frame, residual="ar1(wave | person)", df="none")
    brute = Brute(formula, "ar1", frame)
    V = brute.pieces(estimates(result))
    r = np.linalg.solve(V, brute.y - brute.X @ [f.estimate for f in result.fixed])
    G = np.zeros((2, 2))
    own = [effect.covariance for effect in result.random]
    G[0, 0], G[1, 0], G[1, 1] = own[:3]
    G[0, 1] = G[1, 0]
    level = brute.levels[0]
    for person in (0, 7, 20):
        rows = level.clusters.codes == person
        assert result.modes[0].values[person] == pytest.approx(G @ level.Z[rows].T @ r[rows], abs=1e-9)
    for inst in range(5):
        rows = brute.levels[1].clusters.codes == inst
        assert result.modes[1].values[inst, 0] == pytest.approx(own[3] * r[rows].sum(), abs=1e-9)


@pytest.mark.parametrize("kind", ["ar1", "ar1ident"])
def test_contrasts_and_predictions_know_the_structure(kind: str) -> None:
    frame, formula = make(13, institutions=8, persons=8, rho=0.3), "y ~ wave + x + (1 | inst)"
    for df in ("kenward-roger", "satterthwaite"):
        result = mixed.fit(formula, frame, residual=f"{kind}(wave | person)", df=df)
        found = mixed.contrast(result, {"wave": {"wave": 1.0}, "x": {"x": 1.0}})
        for ours, coefficient in zip(found.rows, result.fixed[1:], strict=True):
            assert ours.df == pytest.approx(coefficient.df, rel=1e-9)
            assert ours.std_error == pytest.approx(coefficient.std_error, rel=1e-9)
    model = result.model
    assert model is not None
    expected = model.design.X @ [f.estimate for f in result.fixed]
    for level, part in zip(result.modes, model.design.levels[1:], strict=True):
        expected = expected + np.sum(part.Z * level.values[part.clusters.codes], axis=1)
    assert mixed.predict(result).values == pytest.approx(expected, rel=1e-9)


def test_results_say_what_the_structure_is() -> None:
    from implstats.mixed.text import describe_fit

    result = mixed.fit("y ~ wave + x", make(13), residual="un(wave|person)")
    assert result.residual_variance is None
    out = result.to_dict()["residual"]
    assert out["structure"] == "un(wave | person)"
    assert [entry["wave"] for entry in out["by_wave"]] == ["0", "1", "2", "4"]
    assert len(out["covariance"]) == 4
    assert "Residuals un(wave | person)" in describe_fit(result)
    plain = mixed.fit("y ~ wave + x + (1 | inst)", make(13))
    assert plain.residual is None
    assert "residual" not in plain.to_dict()
    ar1 = mixed.fit("y ~ wave + x + (1 | inst)", make(13), residual="ar1(wave|person)", second_opinion=True)
    assert "rho" in ar1.to_dict()["residual"]
    assert next(c for c in ar1.checks if c.name == "second_opinion").status == "ok"


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.6])
def test_simulated_rho_is_recovered(rho: float) -> None:
    """Mean over 40 samples within 4 Monte Carlo standard errors, at least 32 of 40 intervals cover."""
    found, covered = [], 0
    for seed in range(40):
        frame = make(1000 + seed, rho=rho, institutions=8, persons=15, waves=(0, 1, 2, 3, 4), lost=0.1)
        own = mixed.fit("y ~ wave + x + (1 | inst/person)", frame, df="none",
                        residual="ar1ident(wave | person)").residual  # fmt: skip
        found.append(own.rho)
        covered += own.rho_low < rho < own.rho_high
    error = np.std(found, ddof=1) / len(found) ** 0.5
    assert abs(np.mean(found) - rho) < 4.0 * error + 0.02  # REML's rho leans to zero by about .02 here
    assert covered >= 32


@pytest.mark.slow
def test_no_other_start_finds_a_lower_criterion() -> None:
    starts = [(s, r) for s in (0.02, 0.4, 3.0) for r in (-0.5, 0.2, 0.9)]
    assert _sweep(starts, seeds=range(24)) == []


def _sweep(starts: list[tuple[float, float]], seeds: range) -> list[str]:
    from implstats.mixed.gaussian.optimise import minimise

    better = []
    for seed in seeds:
        frame = make(seed, rho=[0.0, 0.4, 0.9][seed % 3], sd_inst=[0.0, 0.5][seed % 2])
        for formula, kind in CASES:
            result = mixed.fit(formula, frame, residual=f"{kind}(wave | person)", df="none")
            if result.verdict == "failed":
                continue
            problem = result.model.problem
            for size, rho in starts:
                other = minimise(problem, start_at(problem, size, rho))
                if other is not None and other.at.value < result.model.optimum.search.at.value - 1e-6:
                    better.append(f"{seed} {formula} {kind}: {other.at.value}")
    return better
