"""Keep, of the reference files that R wrote, only the blocks that the tests read.

Run: python extract.py SOURCE_FOLDER, where SOURCE_FOLDER holds the JSON files and data/ of the R scripts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

BLOCKS = (
    "n_obs",
    "n_groups",
    "fixef",
    "se",
    "sigma",
    "varcorr",
    "AIC",
    "BIC",
    "logLik",
    "criterion_minus2",
    "is_singular",
)
ROBUST = ("CR0", "CR1", "CR2", "CR3")
NAMES = (
    "Dyestuff", "Pastes_nested", "bh1996_contextual", "bh1996_random_slope", "lq2002_random_intercept",
    "lq2002_random_slope_contextual", "lq2002_within_between", "sim3_12inst_3level_inst_slope",
    "sim3_12inst_3level_intercepts", "sim3_12inst_3level_person_slope", "sim3_4inst_very_few_clusters",
    "sim3_singular_slope_correlation", "sim_missing_values_listwise", "sim_near_collinear_predictors",
    "sim_single_observation_clusters", "sleepstudy_missing_unbalanced_slope", "sleepstudy_prior_weights",
    "sleepstudy_random_intercept", "sleepstudy_random_slope", "sleepstudy_random_slope_uncorrelated",
    "univbct_3level_btn_subnum", "univbct_3level_slope", "univbct_4level_btn_company_subnum",
    "univbct_random_intercept", "univbct_random_slope", "univbct_wave_dummies",
)  # fmt: skip


def extract(source: Path, target: Path) -> None:
    """Write one small JSON a model and the columns of the data that its formulas use."""
    columns: dict[str, set[str]] = {}
    for name in NAMES:
        full = json.loads((source / f"{name}.json").read_text(encoding="utf-8"))
        out = {key: full[key] for key in ("name", "formula", "data", "notes", "versions")}
        for method in ("REML", "ML"):
            block = full[method]
            out[method] = {key: block[key] for key in BLOCKS}
            if "satterthwaite" in block:
                out[method]["satterthwaite"] = {"df": block["satterthwaite"]["df"]}
            if "kenward_roger" in block:
                out[method]["kenward_roger"] = {key: block["kenward_roger"][key] for key in ("se", "df")}
            if "cluster_robust" in block:
                robust = block["cluster_robust"]
                out[method]["cluster_robust"] = {"cluster": robust["cluster"]} | {
                    kind: {key: robust[kind][key] for key in ("se", "df")} for kind in ROBUST
                }
        (target / f"{name}.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
        columns.setdefault(full["data"], set()).update(_words(full["formula"]) | {"w"})
    (target / "data").mkdir(exist_ok=True)
    for path, used in columns.items():
        lines = (source / path).read_text(encoding="utf-8").splitlines()
        header = [cell.strip('"') for cell in lines[0].split(",")]
        kept = [i for i, cell in enumerate(header) if cell in used]
        rows = [
            ",".join(header[i] for i in kept),
            *(",".join(line.split(",")[i] for i in kept) for line in lines[1:]),
        ]
        (target / path).write_text("\n".join(rows) + "\n", encoding="utf-8")


def _words(formula: str) -> set[str]:
    for mark in "~+()|/":
        formula = formula.replace(mark, " ")
    return set(formula.split())


if __name__ == "__main__":
    extract(Path(sys.argv[1]), Path(__file__).parent)
