# Cluster-robust fits of lq2002 and what follows from them, and scaled tests beside the errors of MLR.
# Run in this folder: Rscript cluster_more.R (lavaan 0.6-14).
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
d <- read.csv(gzfile("data/lq2002.csv.gz"))
d$half <- ifelse(d$COMPID %% 2 == 1, "odd", "even")
gaps <- d
items <- c(sprintf("LEAD%02d", 1:5), sprintf("TSIG%02d", 1:3))
for (k in seq_along(items)) gaps[(seq_len(nrow(d)) * 7 + k * 13) %% 17 == 0, items[k]] <- NA
free <- "LEAD =~ LEAD01 + LEAD02 + LEAD03 + LEAD04 + LEAD05
TSIG =~ TSIG01 + TSIG02 + TSIG03
TSIG ~ b*LEAD"
zero <- paste0(sub("b[*]LEAD", "0.4*LEAD", free), "\nTSIG02 ~~ v*TSIG02\nTSIG03 ~~ v*TSIG03")
one <- function(model, data, ...) sem(model, data, cluster = "COMPID", ...)
groups <- function(equal, ...) one(free, d, group = "half", group.equal = equal, ...)
pairs <- list(
  ml = list(one(free, d), one(zero, d)),
  mlr = list(one(free, d, estimator = "MLR"), one(zero, d, estimator = "MLR")),
  fiml = list(one(free, gaps, missing = "fiml", estimator = "MLR"), one(zero, gaps, missing = "fiml", estimator = "MLR")),
  fiml_ml = list(one(free, gaps, missing = "fiml"), one(zero, gaps, missing = "fiml")),
  groups = list(groups("loadings", estimator = "MLR"), groups(c("loadings", "intercepts"), estimator = "MLR")),
  groups_ml = list(groups("loadings"), groups(c("loadings", "intercepts")))
)
difference <- function(pair, method, ...) {
  t <- suppressWarnings(lavTestLRT(pair[[1]], pair[[2]], method = method, ...))
  list(chisq = t[2, "Chisq diff"], df = t[2, "Df diff"])
}
numbers <- function(f) {
  z <- standardizedSolution(f)
  z <- z[z$op %in% c("=~", "~", "~~"), ]
  list(fit = as.list(fitMeasures(f)), standardised = list(lhs = z$lhs, op = z$op, rhs = z$rhs,
       group = if (is.null(z$group)) rep(1, nrow(z)) else z$group, value = z$est.std, se = z$se))
}
out <- list(free = free, zero = zero, pairs = lapply(pairs, function(p) list(
  "satorra.bentler.2001" = difference(p, "satorra.bentler.2001"),
  "satorra.bentler.2010" = difference(p, "satorra.bentler.2010"),
  "satorra.2000" = difference(p, "satorra.2000"), free = numbers(p[[1]]))))
hs <- read.csv(gzfile("data/hs1939.csv.gz"))
three <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
out$tests <- lapply(setNames(nm = c("satorra.bentler", "scaled.shifted", "mean.var.adjusted")), function(t) {
  f <- cfa(three, hs, se = "robust.huber.white", test = t, information = c("observed", "expected"), optim.method = "GN",
           start = cfa(three, hs, control = list(rel.tol = 1e-10)), optim.gn.tol.x = 1e-13)
  g <- cfa(three, hs, group = "school", se = "robust.huber.white", test = t, information = c("observed", "expected"))
  list(se = sqrt(diag(vcov(f))), fit = as.list(fitMeasures(f)), groups = as.list(fitMeasures(g)))
})
writeLines(toJSON(out, digits = I(15), auto_unbox = TRUE, na = "null"), "cluster_more.json")
