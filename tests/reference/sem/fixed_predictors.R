# Standardised values and residuals with errors where predictors are fixed (lavaan 0.6-14), polished with fixed.x named:
# where start is not a word, lavaan's default of fixed.x is another one. Run in this folder: Rscript fixed_predictors.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
hs <- read.csv(gzfile("data/hs1939.csv.gz")); med <- read.csv(gzfile("data/mediation_n250.csv.gz"))
gaps <- read.csv(gzfile("data/hs1939_missing.csv.gz")); gaps$x1 <- hs$x1; gaps$x2 <- hs$x2; hs$team <- rep(1:43, 7)
factor <- "f =~ x4 + x5 + x6\nf ~ a*x1 + x2\nx9 ~ b*f\nind := a*b"
path <- "M1 ~ a*X + C\nY ~ b*M1\nM2 ~ M1\nind := a*b"
case <- function(model, data, ...) {
  first <- sem(model, data, ..., control = list(rel.tol = 1e-10))
  stopifnot(lavInspect(first, "options")$fixed.x)
  polished <- tryCatch(sem(model, data, ..., fixed.x = TRUE, optim.method = "GN", optim.gn.tol.x = 1e-13, start = first), error = function(e) first)
  f <- if (isTRUE(lavInspect(polished, "converged")) && polished@optim$fx <= first@optim$fx + 1e-13) polished else first
  std <- function(type) { z <- standardizedSolution(f, type = type); list(lhs = z$lhs, op = z$op, rhs = z$rhs, value = z$est.std, se = z$se) }
  r <- lapply(setNames(nm = c("raw", "cor.bentler", "cor.bollen")), function(type)
    tryCatch(plain(lavResiduals(f, type = type, se = TRUE, summary = TRUE)), error = function(e) NULL))
  for (type in c("normalized", "standardized")) r[[type]] <- tryCatch(plain(residuals(f, type = type)), error = function(e) NULL)
  list(model = model, all = std("std.all"), lv = std("std.lv"), nox = std("std.nox"), names = lavNames(f), residuals = r)
}
plain <- function(x) if (is.data.frame(x)) lapply(as.list(x), unclass) else if (is.list(x)) lapply(x, plain) else
  if (is.matrix(x)) unname(unclass(x)) else if (is.character(x)) x else unname(unclass(x))
out <- list()
for (e in c("ML", "MLR", "MLM", "MLMV")) {
  out[[paste("factor", e)]] <- case(factor, hs, estimator = e)
  out[[paste("path", e)]] <- case(path, med, estimator = e)
}
out[["factor groups ML"]] <- case(gsub("a[*]|b[*]|\nind.*", "", factor), hs, group = "school", group.equal = "loadings")
out[["factor cluster MLR"]] <- case(factor, hs, estimator = "MLR", cluster = "team")
for (e in c("ML", "MLR")) out[[paste("factor fiml", e)]] <- case(factor, gaps, estimator = e, missing = "fiml")
med$team <- rep(1:25, 10)
free <- "M1 ~ a*X + C\nM2 ~ X\nY ~ b*M1 + M2 + C"
zero <- "M1 ~ a*X + C\nM2 ~ 0.2*X\nY ~ b*M1 + M2 + 0*C"
difference <- function(methods, ...) {
  f <- sem(free, med, ..., control = list(rel.tol = 1e-10)); g <- sem(zero, med, ..., control = list(rel.tol = 1e-10))
  lapply(setNames(nm = methods), function(m) suppressWarnings(lavTestLRT(f, g, method = m))[2, "Chisq diff"])
}
three <- c("satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000")
out$differences <- list(free = free, zero = zero, MLR = difference(three, estimator = "MLR"), MLM = difference(three, estimator = "MLM"),
  MLMV = difference("satorra.2000", estimator = "MLMV"), "cluster ML" = difference(three, cluster = "team"),
  "cluster MLR" = difference(three, cluster = "team", estimator = "MLR"))
con <- gzfile("fixed_predictors.json.gz", "w")
writeLines(toJSON(out, digits = I(12), auto_unbox = TRUE, na = "null"), con)
close(con)
