# Robust indices of full information where predictors matter (lavaan 0.6-14): Rscript fiml_robust.R in this folder.
# 1 Fixed predictors of a model that does not fit. 2 Cross-lagged panels with the first wave's covariance written
# out, so that lavaan's correction, which refits with its default fixed.x, treats all variables alike.
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
hs <- read.csv(gzfile("data/hs1939_missing.csv.gz"))
full <- read.csv(gzfile("data/hs1939.csv.gz"))
hs$a <- full$x7
hs$b <- full$x3
paths <- "f =~ x1 + x2 + x4\ng =~ x5 + x6 + x8\nf ~ a\ng ~ f + b"
wide <- read.csv(gzfile("data/univbct_wide.csv.gz"))
panel <- function(name, covariance) paste0(fromJSON(paste0(name, ".json"))$meta$model_syntax, "\n", covariance)
fit <- function(model, data, ...) {
  f <- sem(model, data, missing = "fiml", ...)
  m <- fitMeasures(f)
  list(model = model, fit = as.list(m[grepl("chisq|^df$|robust|baseline.df|^npar$", names(m))]))
}
out <- list(
  ml = fit(paths, hs), mlr = fit(paths, hs, estimator = "MLR"),
  clpm_jobsat_commit_fiml = fit(panel("clpm_jobsat_commit_fiml", "JOBSAT1 ~~ COMMIT1"), wide),
  clpm_commit_ready_fiml = fit(panel("clpm_commit_ready_fiml", "COMMIT1 ~~ READY1"), wide)
)
writeLines(toJSON(out, digits = I(15), auto_unbox = TRUE), "fiml_robust.json")
