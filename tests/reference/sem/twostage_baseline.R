# lavaan's two-stage fits of the baseline model itself, whose scaling factor its own baseline test should have had.
# Run: Rscript twostage_baseline.R data/hs1939_missing.csv.gz twostage_baseline.json
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
paths <- commandArgs(TRUE)
d <- read.csv(gzfile(paths[1])); model <- paste(sprintf("x%d ~~ x%d", 1:9, 1:9), collapse = "\n"); out <- list(model = model)
for (k in c("two.stage", "robust.two.stage")) {
  fit <- lavaan(model, d, missing = k, meanstructure = TRUE, int.ov.free = TRUE, em.h1.tol = 1e-12, em.h1.iter.max = 20000L)
  out[[k]] <- as.list(fitMeasures(fit, c("chisq", "chisq.scaling.factor", "baseline.chisq.scaling.factor")))
}
write_json(out, paths[2], auto_unbox = TRUE, digits = 15, pretty = TRUE)
