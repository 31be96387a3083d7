# HTMT as defined by Henseler, Ringle & Sarstedt (2015), and reliability of a two-group model (semTools 0.5-6).
# Run in this folder: Rscript reliability_extra.R
suppressPackageStartupMessages({library(lavaan); library(semTools); library(jsonlite)})
d <- read.csv(gzfile("data/hs1939.csv.gz"))
m <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
h <- htmt(m, d, htmt2 = FALSE)
first <- cfa(m, d, group = "school")
fit <- cfa(m, d, group = "school", start = first, optim.method = "GN", optim.gn.tol.x = 1e-13)
g <- lavInspect(fit, "group.label")
rel <- compRelSEM(fit)
write_json(list(htmt = list(names = rownames(h), values = unname(unclass(h))), groups = g, omega = as.list(rel)),
  "reliability_extra.json", digits = I(17), auto_unbox = TRUE)
