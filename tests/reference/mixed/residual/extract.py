"""Keep, of the reference files that nlme's script wrote, only the blocks that the tests read.

Run: python extract.py SOURCE_FOLDER, where SOURCE_FOLDER holds the JSON files and data/ of the R scripts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FORMULAS = {
    "gls_univbct_ar1": ("JSAT ~ TIME + AGE + GENDER", "ar1(TIME | SUBNUM)"),
    "gls_univbct_mmrm_unstructured": ("JSAT ~ C1 + C2 + AGE + GENDER", "un(TIME | SUBNUM)"),
    "nlme_univbct_ar1": ("JSAT ~ TIME + AGE + GENDER + (1 | SUBNUM)", "ar1(TIME | SUBNUM)"),
    "nlme_univbct_varIdent_wave": ("JSAT ~ TIME + AGE + GENDER + (1 | SUBNUM)", "ident(TIME | SUBNUM)"),
    "nlme_univbct_ar1_varIdent": ("JSAT ~ TIME + AGE + GENDER + (1 | SUBNUM)", "ar1ident(TIME | SUBNUM)"),
    "nlme_univbct_slope_varIdent": ("JSAT ~ TIME + AGE + GENDER + (TIME | SUBNUM)", "ident(TIME | SUBNUM)"),
    "nlme_sim3_3level": ("y ~ wave + arm + armwave + x + (1 | inst/person)", None),
    "nlme_sim3_3level_varIdent": (
        "y ~ wave + arm + armwave + x + (1 | inst/person)", "ident(wave | inst/person)",
    ),
    "nlme_sim_hetero_varIdent": ("y ~ wave + arm + armwave + (1 | inst/person)", "ident(wave | inst/person)"),
    "nlme_sim_hetero_ar1_varIdent": (
        "y ~ wave + arm + armwave + (1 | inst/person)", "ar1ident(wave | inst/person)",
    ),
    "nlme_sim_hetero_2level_ar1": ("y ~ wave + arm + armwave + (1 | person)", "ar1(wave | person)"),
}  # fmt: skip
BLOCKS = (
    "fixef", "se", "sigma", "logLik", "logLik_df", "AIC", "n_obs", "random_cov", "varIdent_sd_ratio",
    "cor_coef", "intervals",
)  # fmt: skip


def extract(source: Path, target: Path) -> None:
    """Write one small JSON a model; the data lie in ../data."""
    for name, (formula, residual) in FORMULAS.items():
        full = json.loads((source / f"{name}.json").read_text(encoding="utf-8"))
        out = {key: full[key] for key in ("name", "call", "data", "nlme", "R")}
        out |= {"formula": formula, "residual": residual}
        for method in ("REML", "ML"):
            out[method] = {key: full[method][key] for key in BLOCKS if key in full[method]}
        (target / f"{name}.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    extract(Path(sys.argv[1]), Path(__file__).parent)
