"""Cut the full lavaan dumps of ordinal models down to what the tests compare.

Run: python trim_ordinal.py FOLDER_WITH_FULL_DUMPS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

PREFIX = "ordinal_"
META = ("name", "lavaan", "data", "call", "model_syntax", "estimator", "parameterization", "ntotal")
PARAMETERS = ("lhs", "op", "rhs", "est", "se", "std.lv", "std.all")
SAMPLE = ("cov", "res.cov", "res.slopes", "res.th")
CORRELATIONS = ("polychoric_bfi25", "tetrachoric_bfi_an10")
DATA = ("bfi_an10_n600", "bfi_an10_missing", "bfi_a5_cov")


def trim(source: Path, target: Path) -> None:
    """Write the trimmed dumps and their data."""
    for path in sorted(source.glob(f"{PREFIX}*.json")):
        full = json.loads(path.read_text(encoding="utf-8"))
        short = {
            "meta": {key: full["meta"][key] for key in META},
            "parameters": {key: full["parameters"][key] for key in PARAMETERS},
            "fit": full["fit"],
        }
        short |= {key: full[key] for key in ("nacov_diag", "thresholds") if full.get(key)}
        short["sample"] = {k: full["sample"][k] for k in SAMPLE if k in full["sample"]}
        (target / path.name).write_text(json.dumps(short) + "\n", encoding="utf-8")
    for name in CORRELATIONS:
        full = json.loads((source / f"{name}.json").read_text(encoding="utf-8"))
        key = next(k for k in full if k.endswith("lavaan") or k.startswith("lavaan"))
        short = {"items": full[key]["rows"], "correlations": full[key]["values"]}
        (target / f"{name}.json").write_text(json.dumps(short) + "\n", encoding="utf-8")
    for name in DATA:
        pd.read_csv(source / "data" / f"{name}.csv").to_csv(
            target / "data" / f"{name}.csv.gz", index=False, compression={"method": "gzip", "mtime": 0}
        )


if __name__ == "__main__":
    trim(Path(sys.argv[1]), Path(__file__).parent)
