# Reference values for ordered and continuous variables in one model (lavaan 0.6-14).
# Run in this folder: Rscript ordinal_extra.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
d <- read.csv("data/bfi_a5_mixed.csv.gz")
gauss <- function(ex) { fit <- eval(ex); ex$optim.method <- "GN"; ex$optim.gn.tol.x <- 1e-13; ex$start <- fit; eval(ex) }
mat <- function(m) list(names = rownames(m), values = unname(as.matrix(unclass(m))))
dump <- function(fit, name) {
  s <- lavInspect(fit, "sampstat")
  p <- parameterEstimates(fit, standardized = TRUE)
  write_json(list(r = R.version.string, lavaan = as.character(packageVersion("lavaan")),
    parameters = as.list(p[, intersect(names(p), c("lhs", "op", "rhs", "est", "se", "std.lv", "std.all"))]),
    fit = as.list(unclass(fitMeasures(fit))), gamma = unname(unclass(lavInspect(fit, "gamma"))),
    gamma_names = rownames(lavInspect(fit, "gamma")), cov = mat(if (is.null(s[["cov"]])) s[["res.cov"]] else s[["cov"]]),
    th = as.list(unclass(if (is.null(s[["th"]])) s[["res.th"]] else s[["th"]]))),
    name, digits = I(17), auto_unbox = TRUE, na = "null")
}
ordered3 <- c("A1", "A2", "A3")
mixed <- quote(cfa("A =~ A1 + A2 + A3 + A4 + A5", d, ordered = ordered3, estimator = "WLSMV"))
dump(gauss(mixed), "ordinal_mixed_wlsmv.json")
onx <- quote(sem("A =~ A1 + A2 + A3 + A4 + A5\n A ~ age", d, ordered = ordered3, estimator = "WLSMV"))
dump(gauss(onx), "ordinal_mixed_onx_wlsmv.json")
