"""What the cold rows run: whole processes that fit a model to a csv file, given as two arguments."""

from __future__ import annotations

import sys

OURS = "import sys, pandas; from implstats import sem; sem.fit(sys.argv[1], pandas.read_csv(sys.argv[2]))"
R = "suppressMessages(library(lavaan)); a <- commandArgs(TRUE); invisible(sem(a[1], read.csv(a[2])))"
COMMANDS = {"ours": [sys.executable, "-c", OURS], "lavaan": ["Rscript", "-e", R]}
