# Cluster-robust standard errors and tests from lavaan (0.6-14). Run in this folder: Rscript clusters.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
d <- read.csv(gzfile("data/lq2002.csv.gz"))
m <- paste0("LEAD =~ ", paste(sprintf("LEAD%02d", 1:5), collapse = " + "),
            "\nTSIG =~ TSIG01 + TSIG02 + TSIG03\nTSIG ~ LEAD")
gaps <- d
items <- c(sprintf("LEAD%02d", 1:5), sprintf("TSIG%02d", 1:3))
for (k in seq_along(items)) gaps[(seq_len(nrow(d)) * 7 + k * 13) %% 17 == 0, items[k]] <- NA
half <- transform(d, half = ifelse(COMPID %% 2 == 1, "odd", "even"))
tight <- list(rel.tol = 1e-10)
path <- "LEAD =~ LEAD01 + LEAD02 + LEAD03\nLEAD ~ TSIG01 + TSIG02"
fits <- list(
  mlr = sem(m, d, cluster = "COMPID", estimator = "MLR", optim.method = "GN"),
  ml = sem(m, d, cluster = "COMPID", optim.method = "GN"),
  predictors = sem(path, d, cluster = "COMPID", estimator = "MLR", optim.method = "GN"),
  fiml = sem(m, gaps, cluster = "COMPID", estimator = "MLR", missing = "fiml", control = tight),
  groups = sem(m, half, cluster = "COMPID", estimator = "MLR", group = "half", group.equal = "loadings", control = tight))
out <- lapply(fits, function(f) {
  p <- parameterEstimates(f)
  list(model = if (identical(f, fits$predictors)) path else m, lhs = p$lhs, op = p$op, rhs = p$rhs, group = if (is.null(p$group)) rep(1, nrow(p)) else p$group,
       est = p$est, se = p$se, fit = as.list(fitMeasures(f)))
})
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE), "clusters.json")
