"""Missing data: who and what is missing, leavers against stayers, and the rules that pool imputations."""

from implstats.missing.leavers import LeaverComparison, compare_leavers
from implstats.missing.participation import participation
from implstats.missing.pooling import Pooled, pool_rubin
from implstats.missing.shares import share_missing

__all__ = [
    "LeaverComparison",
    "Pooled",
    "compare_leavers",
    "participation",
    "pool_rubin",
    "share_missing",
]
