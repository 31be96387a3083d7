"""Time of a two-level model (50 clusters of 20 persons, 6 items) here and in lavaan: python clusters.py"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from implstats.sem import fit_two_level

ITEMS = [f"y{i}" for i in range(1, 7)]


def main() -> None:
    """Print the median times and both chi-squares."""
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(50), 20)
    between = rng.normal(size=(50, 1)) * 0.6 + 0.4 * rng.normal(size=(50, 6))
    within = rng.normal(size=(1000, 1)) * 0.8 + rng.normal(size=(1000, 6)) * 0.8
    data = pd.DataFrame(between[cluster] + within, columns=ITEMS).assign(cl=cluster)
    model = f"level: 1\nfw =~ {' + '.join(ITEMS)}\nlevel: 2\nfb =~ {' + '.join(ITEMS)}"
    times = []
    for _ in range(15):
        start = time.perf_counter()
        result = fit_two_level(model, data, cluster="cl")
        times.append(time.perf_counter() - start)
    print(f"implstats {np.median(times):.4f} s, chisq {result.fit['chisq']:.5f}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "two50.csv"
        data.to_csv(file, index=False)
        subprocess.run(["Rscript", str(Path(__file__).with_suffix(".R")), str(file)], check=True)


if __name__ == "__main__":
    main()
