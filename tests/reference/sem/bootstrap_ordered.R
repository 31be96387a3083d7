# lavaan 0.6-14 refits on stored resample indices (from 0): ordered items, least squares, two stages.
# Run in this folder: Rscript bootstrap_ordered.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
options(digits = 17)
b <- read.csv(gzfile("data/bfi_an10_n600.csv.gz")); its <- names(b)
hs <- read.csv(gzfile("data/hs1939.csv.gz")); hm <- read.csv(gzfile("data/hs1939_missing.csv.gz"))
hm <- hm[rowSums(!is.na(hm[paste0("x", 1:6)])) > 0, ]
two <- "A =~ A1 + A2 + A3 + A4 + A5\nN =~ N1 + N2 + N3 + N4 + N5"
one <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ visual"
gn <- function(f) function(d, ...) { a <- f(d, ...); tryCatch(f(d, start = a, optim.method = "GN", optim.gn.tol.x = 1e-13, ...), error = function(e) a) }
cases <- list(
  wlsmv = list(b, gn(function(d, ...) cfa(two, d, ordered = its, ...))),
  theta = list(b, gn(function(d, ...) cfa(two, d, ordered = its, parameterization = "theta", ...))),
  dwls = list(hs, gn(function(d, ...) sem(one, d, estimator = "DWLS", ...))),
  gls = list(hs, gn(function(d, ...) sem(one, d, estimator = "GLS", ...))),
  # lavaan's Gauss-Newton leaves the optimum of full information, so that its usual optimiser is kept there
  fiml = list(hm, function(d) sem(one, d, missing = "fiml", control = list(rel.tol = 1e-12, iter.max = 1e4, eval.max = 2e4))))
set.seed(20)
out <- lapply(cases, function(case) { d <- case[[1]]; n <- nrow(d)
  index <- t(replicate(8, sample.int(n, n, replace = TRUE)))
  est <- t(apply(index, 1, function(i) parameterEstimates(case[[2]](d[i, ]))$est))
  p <- parameterEstimates(case[[2]](d))
  list(rows = paste0(p$lhs, p$op, p$rhs), index = index - 1L, est = est) })
write_json(out, "bootstrap_ordered.json", digits = 12, auto_unbox = TRUE, na = "null")
