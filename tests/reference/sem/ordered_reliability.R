# Reliability of ordered items by semTools 0.5-6 from lavaan 0.6-14 fits. Run in this folder: Rscript ordered_reliability.R
suppressPackageStartupMessages({library(lavaan); library(semTools); library(jsonlite)})
options(digits = 17)
gauss <- function(ex) { fit <- eval(ex, globalenv()); ex$optim.method <- "GN"; ex$optim.gn.tol.x <- 1e-13; ex$start <- fit; eval(ex, globalenv()) }
b <- read.csv(gzfile("data/bfi_an10_n600.csv.gz")); its <- names(b); n5 <- paste0("N", 1:5); a5 <- paste0("A", 1:5)
lq <- read.csv(gzfile("data/lq2002.csv.gz")); lead <- paste0("LEAD0", 1:9)[paste0("LEAD0", 1:9) %in% names(lq)]
two <- "A =~ A1 + A2 + A3 + A4 + A5\nN =~ N1 + N2 + N3 + N4 + N5"
bif <- "g =~ A2 + A3 + A4 + A5 + N1 + N2 + N3 + N4 + N5\nN =~ N1 + N2 + N3 + N4 + N5"
bin <- as.data.frame(lapply(b, function(x) as.integer(x > median(x))))
g2 <- read.csv(gzfile("data/bfi_ae8_gender.csv.gz")); m2 <- "a =~ A2 + A3 + A4 + A5\ne =~ E1 + E2 + E4 + E5"; it2 <- setdiff(names(g2), "gender")
fits <- list(
  delta = gauss(quote(cfa(two, b, ordered = its, estimator = "WLSMV"))),
  theta = gauss(quote(cfa(two, b, ordered = its, estimator = "WLSMV", parameterization = "theta"))),
  binary = gauss(quote(cfa(two, bin, ordered = its, estimator = "WLSMV"))),
  bifactor = gauss(quote(cfa(bif, b, ordered = its, estimator = "WLSMV", orthogonal = TRUE, std.lv = TRUE))),
  configural = gauss(quote(cfa(m2, g2, ordered = it2, estimator = "WLSMV", group = "gender"))))
one <- function(fit) {
  old <- suppressWarnings(suppressMessages(reliability(fit, return.total = TRUE)))
  if (!is.list(old)) old <- list(old)
  l <- function(...) suppressMessages(suppressWarnings(as.list(compRelSEM(fit, ...))))
  list(omega = l(), omega_implied = l(obs.var = FALSE), alpha = l(tau.eq = TRUE), omega_latent = l(ord.scale = FALSE),
    alpha_latent = l(tau.eq = TRUE, ord.scale = FALSE), ave = as.list(AVE(fit)),
    total = lapply(old, function(x) if ("total" %in% colnames(x)) as.list(x[, "total"]) else NULL))
}
out <- lapply(fits, one)
h <- htmt(two, b, ordered = its, htmt2 = FALSE)
mr <- maximalRelia(fits$delta)
out$htmt <- h[2, 1]; out$maximal <- as.list(unlist(mr)); out$median <- as.list(sapply(b, median))
write_json(out, "ordered_reliability.json", digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
