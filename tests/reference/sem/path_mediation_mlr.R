# A path model with fixed predictors under MLR, polished. fixed.x is named, because lavaan 0.6-14 takes another default
# where start is a fit. Run in this folder: Rscript path_mediation_mlr.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
d <- read.csv(gzfile("data/mediation_n250.csv.gz"))
model <- "M1 ~ a*X + C\nY ~ b*M1 + cp*X + C\nind := a*b\ntotal := cp + a*b"
first <- sem(model, d, estimator = "MLR")
stopifnot(lavInspect(first, "options")$fixed.x)
f <- sem(model, d, estimator = "MLR", fixed.x = TRUE, optim.method = "GN", optim.gn.tol.x = 1e-13, start = first)
p <- as.data.frame(parameterEstimates(f, standardized = TRUE))
out <- list(
  meta = list(name = "path_mediation_mlr", lavaan = "0.6.14", data = "data/mediation_n250.csv", model_syntax = model,
              call = "sem(model, data, estimator='MLR')", estimator = "ML", ntotal = 250, norig = 250,
              max_abs_gradient = max(abs(lavInspect(f, "optim.gradient")))),
  npar = fitMeasures(f, "npar")[[1]],
  parameters = as.list(p[c("lhs", "op", "rhs", "label", "est", "se", "z", "pvalue", "ci.lower", "ci.upper", "std.lv", "std.all")]),
  fit = lapply(as.list(unclass(fitMeasures(f))), unname), r2 = as.list(unclass(lavInspect(f, "rsquare"))))
writeLines(toJSON(out, digits = I(15), auto_unbox = TRUE, na = "null"), "path_mediation_mlr.json")
