"""Two invented results data sets that hold every kind of address: five waves, and none.

The numbers are made up by simple formulas so that a test can say what a cell must show.
"""

from __future__ import annotations

import math

import pytest

from implstats.results import Row
from implstats.results.dataset import write_dataset

WAVES = [f"Wave {i}" for i in range(1, 6)]
SCALES = {"satisfaction": "Job satisfaction", "commitment": "Commitment", "readiness": "Readiness"}
INSTITUTIONS = [f"Hosp-{i:02d}" for i in range(1, 13)]
FAILED_REASON = "The optimiser stopped at a point where the gradient is not flat."
CAUTION = "The between-institution variance is estimated as zero: institutions differ no more than chance."


def make_row(study, analysis, block, quantity, **rest):
    """Return a row of the study."""
    return Row(study=study, analysis=analysis, block=block, quantity=quantity, **rest)


def interval(estimate, std_error):
    """Return the fields of a 95% interval on the normal scale."""
    return {
        "std_error": std_error,
        "conf_low": estimate - 1.96 * std_error,
        "conf_high": estimate + 1.96 * std_error,
        "conf_level": 0.95,
    }


def scale_rows(study, waves, items):
    """Return description, reliability, items and distributions of every scale."""
    for k, scale in enumerate(SCALES):
        for t, wave in enumerate(waves):
            n = 495 - 31 * t
            mean = 3.2412 + 0.0513 * t + 0.1 * k
            at = {"term": scale, "level": wave}
            yield make_row(
                study, "scales", "description", "mean", estimate=mean, n_obs=n, **interval(mean, 0.04), **at
            )
            yield make_row(study, "scales", "description", "sd", estimate=0.9134 + 0.01 * k, n_obs=n, **at)
            alpha = 0.8149 + 0.02 * k
            yield make_row(
                study,
                "scales",
                "reliability",
                "alpha",
                estimate=alpha,
                n_obs=n,
                conf_level=0.95,
                conf_low=alpha - 0.03,
                conf_high=alpha + 0.03,
                **at,
            )
            reason = "one item only" if k == 2 else ""
            yield make_row(
                study,
                "scales",
                "reliability",
                "omega_total",
                estimate=None if k == 2 else 0.83,
                reason=reason,
                n_obs=n,
                **at,
            )
            yield from bins(study, scale, wave, mean, n)
        for i in range(items):
            at = {"term": f"{scale[:3].upper()}{i + 1:02d}", "level": scale, "n_obs": 480}
            for quantity, value in (
                ("item_mean", 3.1 + 0.04 * i),
                ("item_sd", 1.04),
                ("item_rest_correlation", 0.412 + 0.01 * i),
                ("alpha_if_dropped", 0.79),
            ):
                yield make_row(study, "scales", "items", quantity, estimate=value, **at)


def bins(study, scale, wave, mean, n):
    """Return the shares of 12 bins from 1 to 5; the outer ones are withheld."""
    edges = [1 + i / 3 for i in range(13)]
    weights = [math.exp(-0.5 * ((a + 1 / 6 - mean) / 0.9) ** 2) for a in edges[:-1]]
    for i, weight in enumerate(weights):
        hidden = i in (0, 11)
        yield make_row(
            study,
            "scales",
            f"distribution:{scale}",
            "share",
            level=wave,
            n_obs=n,
            unit="share of persons",
            term=f"[{edges[i]:.6g}, {edges[i + 1]:.6g}{']' if i == 11 else ')'}",
            estimate=None if hidden else weight / sum(weights),
            suppressed=hidden,
            reason="few persons" if hidden else "",
        )


def trajectory_rows(study, waves, clusters, level):
    """Return cluster means; the last cluster is too small to be shown."""
    for k, scale in enumerate(SCALES):
        for t, wave in enumerate(waves):
            for c, cluster in enumerate(["all", *clusters]):
                small = cluster == clusters[-1]
                mean = 3.24 + 0.05 * t + 0.1 * k + (0.35 * math.sin(1.7 * c + k) if c else 0)
                se = 0.04 if c == 0 else 0.12 + 0.02 * (c % 4)
                yield make_row(
                    study,
                    "trajectories",
                    scale,
                    "mean",
                    term=cluster,
                    level=wave,
                    unit=level,
                    **(
                        {"suppressed": True, "reason": "few persons"}
                        if small
                        else {"estimate": mean, "n_obs": 30 + c, **interval(mean, se)}
                    ),
                )


def table_rows(study, waves, level):
    """Return flow, missing, aggregation and correlations."""
    for step, n in (("read from files", 1485), ("with a person key", 1480), ("scored", 1402)):
        for t, wave in enumerate(waves):
            yield make_row(
                study, "flow", "staff", "n_rows", term=step, level=wave, estimate=float(n - 100 * t)
            )
            yield make_row(
                study, "flow", "staff", "n_persons", term=step, level=wave, estimate=float(n - 120 * t)
            )
    names = list(SCALES)
    for t, wave in enumerate(waves):
        for k, name in enumerate([*names, "AGE"]):
            yield make_row(
                study,
                "missing",
                "staff",
                "share_missing",
                term=name,
                level=wave,
                n_obs=495,
                estimate=0.0123 + 0.061 * t + 0.02 * k,
            )
        for k, name in enumerate(names):
            at = {"term": wave, "level": level, "n_clusters": 12, "n_obs": 460}
            yield make_row(
                study,
                "aggregation",
                name,
                "icc1",
                estimate=0.0434 + 0.01 * k,
                statistic=2.345,
                df=448.0,
                p_value=0.00042,
                **at,
            )
            for quantity, value in (
                ("icc2", 0.7335),
                ("rwgj_mean", 0.812),
                ("rwgj_median", 0.84),
                ("rwgj_min", 0.31),
                ("rwgj_max", 0.96),
                ("share_rwgj_70", 0.8333),
                ("eta_between", 0.3788),
            ):
                yield make_row(study, "aggregation", name, quantity, estimate=value, **at)
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                r = -0.1632 if i else 0.4821
                yield make_row(
                    study,
                    "correlations",
                    "staff",
                    "correlation",
                    term=f"{one} ~~ {other}",
                    level=wave,
                    estimate=r,
                    conf_low=r - 0.09,
                    conf_high=r + 0.09,
                    conf_level=0.95,
                    p_value=0.0007,
                    n_obs=455,
                    reason="persons are taken as independent",
                )


def mixed_rows(study, analysis, terms, level, verdict="ok", reason=""):
    """Return a fitted mixed model."""
    common = {"n_obs": 1402, "n_clusters": 12, "method": "REML", "verdict": verdict, "reason": reason}
    for i, term in enumerate(terms):
        b, se = (3.2403, 0.0412) if i == 0 else (0.0513 - 0.09 * (i - 1), 0.0219)
        yield make_row(
            study,
            analysis,
            "fixed",
            "coefficient",
            term=term,
            estimate=b,
            statistic=b / se,
            df=11.37 + i,
            df_method="kenward-roger",
            p_value=0.0004 if i == 0 else 0.0392,
            unit="Job satisfaction",
            **interval(b, se),
            **common,
        )
    for at, value in ((level, 0.0358), ("residual", 0.7895)):
        term = "(Intercept)" if at == level else ""
        yield make_row(study, analysis, "random", "variance", term=term, level=at, estimate=value, **common)
    yield make_row(study, analysis, "icc", "icc", level=level, estimate=0.0434, **common)
    yield make_row(study, analysis, "icc", "group_mean_reliability", level=level, estimate=0.7335, **common)
    for name, value in (
        ("log_likelihood", -1702.4431),
        ("criterion", 3404.8862),
        ("aic", 3412.8862),
        ("bic", 3433.87),
    ):
        yield make_row(study, analysis, "fit", name, estimate=value, **common)


def failed_row(study, analysis):
    """Return a failed fit that wrongly still carries a number: it must not be shown."""
    return make_row(
        study,
        analysis,
        "fixed",
        "coefficient",
        term="time",
        estimate=77.31313,
        verdict="failed",
        reason=FAILED_REASON,
    )


def cfa_rows(study, analysis, items):
    """Return a CFA of three factors."""
    common = {"n_obs": 455, "method": "ML"}
    for k, factor in enumerate(SCALES):
        for i in range(items):
            term = f"{factor} =~ {factor[:3].upper()}{i + 1:02d}"
            b = 1.0 if i == 0 else 0.8 + 0.02 * i
            extra = {} if i == 0 else {"statistic": b / 0.05, "p_value": 1e-12, **interval(b, 0.05)}
            yield make_row(study, analysis, "parameters", "loading", term=term, estimate=b, **extra, **common)
            yield make_row(
                study, analysis, "standardised", "std_all", term=term, estimate=0.71 + 0.01 * i, **common
            )
        for other in list(SCALES)[k + 1 :]:
            term = f"{factor} ~~ {other}"
            low = 0.2 if k else 0.01
            extra = {"statistic": low / 0.02, "p_value": 0.31, **interval(low, 0.02)}
            yield make_row(
                study, analysis, "parameters", "covariance", term=term, estimate=low, **extra, **common
            )
            yield make_row(study, analysis, "standardised", "std_all", term=term, estimate=low * 2, **common)
    yield from fit_rows(study, analysis, common)


def fit_rows(study, analysis, common):
    """Return indices of fit."""
    values = {
        "chisq": 312.4567,
        "df": 149.0,
        "pvalue": 1e-9,
        "cfi": 0.9512,
        "tli": 0.944,
        "srmr": 0.041,
        "logl": -9021.2,
        "aic": 18124.44,
        "bic": 18300.1,
    }
    for name, value in values.items():
        yield make_row(study, analysis, "fit", name, estimate=value, **common)
    yield make_row(
        study,
        analysis,
        "fit",
        "rmsea",
        estimate=0.0491,
        conf_low=0.0412,
        conf_high=0.0569,
        conf_level=0.9,
        **common,
    )


def path_rows(study, analysis):
    """Return a path model of five observed variables with an indirect effect."""
    common = {"n_obs": 455, "method": "ML"}
    paths = {
        "commitment ~ AGE": 0.21,
        "commitment ~ TENURE": 0.03,
        "satisfaction ~ commitment": 0.44,
        "readiness ~ satisfaction": 0.38,
        "readiness ~ commitment": -0.15,
        "readiness ~ AGE": 0.02,
    }
    for term, b in paths.items():
        at = {"term": term, "estimate": b, "statistic": b / 0.04, "p_value": 0.001 if abs(b) > 0.1 else 0.5}
        yield make_row(study, analysis, "parameters", "regression", **at, **interval(b, 0.04), **common)
        yield make_row(study, analysis, "standardised", "std_all", term=term, estimate=b * 0.98, **common)
    at = {"term": "AGE ~~ TENURE", "estimate": 0.3, "p_value": 0.0001}
    yield make_row(study, analysis, "parameters", "covariance", **at, **interval(0.3, 0.04), **common)
    yield make_row(study, analysis, "standardised", "std_all", term="AGE ~~ TENURE", estimate=0.31, **common)
    at = {"term": "indirect := a*b", "estimate": 0.0924, "p_value": 0.004}
    yield make_row(study, analysis, "parameters", "defined", **at, **interval(0.0924, 0.03), **common)
    yield from fit_rows(study, analysis, common)


def attrition_rows(study, analysis):
    """Return participation and the comparison of leavers and stayers."""
    for t, wave in enumerate(WAVES):
        yield make_row(study, analysis, "participation", "n_persons", level=wave, estimate=495.0 - 31 * t)
        yield make_row(
            study, analysis, "participation", "share_of_first", level=wave, estimate=1 - 0.0626 * t
        )
    yield make_row(
        study,
        analysis,
        "comparison",
        "standardised_difference",
        term="satisfaction",
        estimate=-0.2113,
        p_value=0.031,
        n_obs=495,
        **interval(-0.2113, 0.09),
    )
    yield make_row(
        study,
        analysis,
        "comparison",
        "standardised_difference",
        term="AGE",
        suppressed=True,
        reason="few persons",
    )


def dictionary(questions, waves, level):
    """Return labels of everything."""
    entries = [("table", "staff", "Staff"), ("cluster", level, level.capitalize())]
    entries += [("scale", name, label) for name, label in SCALES.items()]
    entries += [("variable", "AGE", "Age in years"), ("variable", "TENURE", "Years in the job")]
    entries += [
        ("variable", "commitment_within", "Commitment (within institution)"),
        ("variable", "commitment_institution", "Commitment (institution mean)"),
    ]
    entries += [("wave", wave, wave) for wave in waves if wave]
    entries += [("question", q["name"], q["title"]) for q in questions]
    entries += [("time_unit", q["name"], "year") for q in questions if q["type"] == "growth"]
    return [{"kind": k, "name": n, "label": label, "detail": ""} for k, n, label in entries]


def provenance(name, questions, *, synthetic):
    """Return what a run notes of itself."""
    return {
        "study": {
            "name": name,
            "title": "Readiness <b>&</b> satisfaction in 12 hospitals",
            "synthetic": synthetic,
            "description": "Staff of twelve hospitals answered five times.",
            "citation": "An invented study (2026).",
            "data_licence": "CC0",
            "seed": 20020362,
        },
        "software": {"implstats": "0.1.0", "python": "3.11.9", "packages": {"numpy": "2.1.0"}},
        "inputs": [{"file": "data/raw/x/wave1.csv", "sha256": "ab" * 32, "bytes": 1234}],
        "outputs_settings": {
            "tables": ["docx", "xlsx", "html", "tex", "csv"],
            "figures": ["svg", "pdf", "png"],
            "min_cell": 5,
            "decimals": 2,
        },
        "instruments": [
            {"scale": "readiness", "verified": False, "citation": "Someone (1999)"},
            {"scale": "commitment", "verified": True, "citation": "Else (2001)"},
        ],
        "created": "2026-11-22",
        "questions": questions,
    }


PUBLISHED = [
    {
        "analysis": "null",
        "block": "random",
        "term": "(Intercept)",
        "level": "institution",
        "quantity": "variance",
        "field": "estimate",
        "printed": "0.036",
        "ours": 0.0358,
        "agrees": True,
        "citation": "Somewhere (2002), table 3",
    },
    {
        "analysis": "null",
        "block": "icc",
        "term": "",
        "level": "institution",
        "quantity": "icc",
        "field": "estimate",
        "printed": "0.05",
        "ours": 0.0434,
        "agrees": False,
        "reason": "differs by 0.0066",
        "citation": "Elsewhere",
    },
]


def write_five_waves(folder):
    """Write the synthetic study of five waves with a failed fit and a caution."""
    s = "five"
    questions = [
        {"name": "leavers", "type": "attrition", "title": "Who answers at every wave?"},
        {"name": "null", "type": "null_model", "title": "Do institutions differ in job satisfaction?"},
        {"name": "growth", "type": "growth", "title": "Does job satisfaction change?"},
        {
            "name": "context",
            "type": "contextual",
            "title": "Is it the person's or the hospital's commitment?",
        },
        {"name": "slopes", "type": "growth", "title": "Do hospitals change at different speeds?"},
        {"name": "measurement", "type": "cfa", "title": "Do the 19 items measure three things?"},
        {"name": "pathways", "type": "path", "title": "Commitment, satisfaction and readiness"},
    ]
    level = "institution"
    rows = [
        *table_rows(s, WAVES, level),
        *scale_rows(s, WAVES, 7),
        *trajectory_rows(s, WAVES, INSTITUTIONS, level),
        *attrition_rows(s, "leavers"),
        *mixed_rows(s, "null", ["(Intercept)"], level),
        *mixed_rows(s, "growth", ["(Intercept)", "time", "time:AGE"], level),
        *mixed_rows(
            s,
            "context",
            ["(Intercept)", "commitment_within", "commitment_institution"],
            level,
            "caution",
            CAUTION,
        ),
        failed_row(s, "slopes"),
        *cfa_rows(s, "measurement", 7),
        *path_rows(s, "pathways"),
    ]
    checks = [
        {"analysis": "context", "name": "boundary", "status": "warn", "message": CAUTION},
        {"analysis": "slopes", "name": "gradient", "status": "fail", "message": FAILED_REASON},
        {"analysis": "growth", "name": "gradient", "status": "ok", "message": "The gradient is flat."},
        {
            "analysis": "ingest",
            "name": "range",
            "status": "info",
            "message": "Two values of AGE were set to missing.",
        },
    ]
    return write_dataset(
        folder,
        rows=rows,
        checks=checks,
        dictionary=dictionary(questions, WAVES, level),
        provenance=provenance(s, questions, synthetic=True),
        published=PUBLISHED,
    )


def write_one_wave(folder, n_clusters=43, items=3):
    """Write a real-data study without waves."""
    s = "one"
    questions = [
        {"name": "null", "type": "null_model", "title": "How much do companies differ?"},
        {"name": "measurement", "type": "cfa", "title": "Does each scale measure one thing?"},
    ]
    clusters = [f"C{i:03d}" for i in range(n_clusters)]
    rows = [
        *table_rows(s, [""], "company"),
        *scale_rows(s, [""], 3),
        *trajectory_rows(s, [""], clusters, "company"),
        *mixed_rows(s, "null", ["(Intercept)"], "company"),
        *cfa_rows(s, "measurement:satisfaction", items),
    ]
    return write_dataset(
        folder,
        rows=rows,
        checks=[],
        dictionary=dictionary(questions, [], "company"),
        provenance=provenance(s, questions, synthetic=False),
        published=[],
    )


@pytest.fixture(scope="session")
def five_waves(tmp_path_factory):
    """Folder of the study with five waves, everything built."""
    from implstats.report.build import build_all

    folder = tmp_path_factory.mktemp("results") / "five"
    write_five_waves(folder)
    build_all(folder)
    return folder


@pytest.fixture(scope="session")
def one_wave(tmp_path_factory):
    """Folder of the study without waves, everything built."""
    from implstats.report.build import build_all

    folder = tmp_path_factory.mktemp("results") / "one"
    write_one_wave(folder)
    build_all(folder)
    return folder


@pytest.fixture
def make_one_wave():
    """Function that writes the study without waves with so many clusters and items."""
    return write_one_wave
