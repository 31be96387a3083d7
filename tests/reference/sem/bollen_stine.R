# Bollen-Stine replicates of the three-factor model, 400 draws. Run: Rscript bollen_stine.R data/hs1939.csv.gz bollen_stine.json
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
paths <- commandArgs(TRUE)
model <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
fit <- cfa(model, read.csv(gzfile(paths[1])))
set.seed(20261123)
stat <- bootstrapLavaan(fit, R = 400L, type = "bollen.stine", FUN = fitMeasures, fit.measures = "chisq")
write_json(list(lavaan = as.character(packageVersion("lavaan")), replicates = as.numeric(stat)), paths[2], auto_unbox = TRUE, digits = 15)
