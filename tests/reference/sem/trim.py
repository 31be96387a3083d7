"""Cut the full lavaan dumps down to what the tests compare, and their data to the columns in use.

Run: python trim.py FOLDER_WITH_FULL_DUMPS   (the folder that the R scripts named in README.md write)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

NAMES = (
    "cfa_hs_ml",
    "cfa_hs_ml_means",
    "cfa_hs_ml_stdlv",
    "cfa_hs_ml_orthogonal",
    "cfa_hs_mlm",
    "cfa_hs_mlr",
    "cfa2_secondorder_hs_ml",
    "cfa2_secondorder_hs_ml_unitdisturbance",
    "bifactor_hs_ml",
    "cfa_bfi25_ml",
    "cfa_bfi25_mlr",
    "cfa_lq2002_3f_ml",
    "path_mediation_ml",
    "path_mediation_ml_randomx",
    "path_mediation_mlr",
    "growth_linear_ml",
    "growth_quadratic_ml",
    "listwise_hs_ml",
    "fiml_hs_ml",
    "fiml_hs_ml_expectedinfo",
    "fiml_hs_mlr",
    "fiml_hs_sem",
    "growth_univbct_jobsat_fiml",
    "clpm_commit_ready_fiml",
    "clpm_jobsat_commit_fiml",
    "riclpm_jobsat_commit_fiml",
    "riclpm_jobsat_commit_fiml_mlr",
    "riclpm_jobsat_commit_fiml_timeinvariant",
    "cfa_hs_ml_obsinfo",
    "cfa_hs_gls",
    "cfa_hs_uls",
    "cfa_hs_wls",
    "cfa_hs_dwls",
    "cfa_hs_mlmv",
    "cfa_hs_mlmvs",
)
META = ("name", "lavaan", "data", "call", "model_syntax", "estimator", "ntotal", "norig", "max_abs_gradient")
PARAMETERS = ("lhs", "op", "rhs", "est", "se", "z", "ci.lower", "ci.upper", "std.lv", "std.all")
COLUMNS = {
    "hs1939": ["school", *(f"x{i}" for i in range(1, 10))],
    "hs1939_missing": ["school", *(f"x{i}" for i in range(1, 10))],
    "demo_growth": ["t1", "t2", "t3", "t4"],
    "univbct_wide": [f"{name}{wave}" for name in ("JOBSAT", "COMMIT", "READY") for wave in (1, 2, 3)],
}


def trim(source: Path, target: Path) -> None:
    """Write the trimmed dumps and the data files that they name."""
    files = set()
    for name in NAMES:
        full = json.loads((source / f"{name}.json").read_text(encoding="utf-8"))
        files.add(full["meta"]["data"])
        short = {
            "meta": {key: full["meta"][key] for key in META},
            "npar": full["npar"],
            "parameters": {key: full["parameters"][key] for key in PARAMETERS},
            "fit": full["fit"],
            "r2": full["r2"],
        }
        if name == "fiml_hs_ml":
            short["h1"] = full["h1"]
        (target / f"{name}.json").write_text(json.dumps(short, indent=None) + "\n", encoding="utf-8")
    (target / "data").mkdir(exist_ok=True)
    for file in sorted(files):
        frame = pd.read_csv(source / file)
        frame = frame[COLUMNS.get(Path(file).stem, list(frame.columns))]
        frame.to_csv(
            target / f"{file}.gz", index=False, compression={"method": "gzip", "mtime": 0, "compresslevel": 9}
        )


if __name__ == "__main__":
    trim(Path(sys.argv[1]), Path(__file__).parent)
