"""Scales: scores of persons, reliability of the scale, agreement within clusters.

>>> import pandas as pd
>>> from implstats import scales
>>> data = pd.DataFrame({"a": [1, 2, 4, 5], "b": [2, 2, 5, 4], "c": [1, 3, 4, 4]})
>>> round(scales.analyse(data, items=["a", "b", "c"], minimum=1, maximum=5).alpha, 3)
0.938
"""

from implstats.scales.agreement_findings import agreement_of, cluster_codes
from implstats.scales.analysis import analyse, analyse_scale
from implstats.scales.reliability_findings import reliability_of
from implstats.scales.results import Agreement, ClusterAgreement, ItemResult, Reliability, ScaleResult
from implstats.scales.scoring import score_answers, score_table

__all__ = [
    "Agreement",
    "ClusterAgreement",
    "ItemResult",
    "Reliability",
    "ScaleResult",
    "agreement_of",
    "analyse",
    "analyse_scale",
    "cluster_codes",
    "reliability_of",
    "score_answers",
    "score_table",
]
