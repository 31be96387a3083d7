# Called by clusters.py with the data file.
suppressPackageStartupMessages(library(lavaan))
d <- read.csv(commandArgs(TRUE)[1])
items <- paste0("y", 1:6, collapse = " + ")
m <- paste0("level: 1\nfw =~ ", items, "\nlevel: 2\nfb =~ ", items)
t <- replicate(5, system.time(f <<- sem(m, d, cluster = "cl"))[3])
cat(sprintf("lavaan    %.4f s, chisq %.5f\n", median(t), fitMeasures(f, "chisq")))
