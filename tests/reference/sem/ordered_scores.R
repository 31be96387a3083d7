# Factor scores of ordered items by lavaan 0.6-14 (lavPredict, EBM and ML). Run in this folder: Rscript ordered_scores.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
options(digits = 17)
gauss <- function(ex) { fit <- eval(ex, globalenv()); ex$optim.method <- "GN"; ex$optim.gn.tol.x <- 1e-13; ex$start <- fit; eval(ex, globalenv()) }
b <- read.csv(gzfile("data/bfi_an10_n600.csv.gz")); its <- names(b)
two <- "A =~ A1 + A2 + A3 + A4 + A5\nN =~ N1 + N2 + N3 + N4 + N5"
mx <- read.csv("data/bfi_a5_mixed.csv.gz"); g2 <- read.csv(gzfile("data/bfi_ae8_gender.csv.gz"))
gap <- read.csv(gzfile("data/bfi_an10_missing.csv.gz"))
m2 <- "a =~ A2 + A3 + A4 + A5\ne =~ E1 + E2 + E4 + E5"; it2 <- setdiff(names(g2), "gender")
fits <- list(
  delta = gauss(quote(cfa(two, b, ordered = its))), theta = gauss(quote(cfa(two, b, ordered = its, parameterization = "theta"))),
  mixed = gauss(quote(cfa("A =~ A1 + A2 + A3 + A4 + A5", mx, ordered = c("A1", "A2", "A3")))),
  predictor = gauss(quote(sem("A =~ A1 + A2 + A3 + A4 + A5\nA ~ age", mx, ordered = c("A1", "A2", "A3")))),
  gaps = gauss(quote(cfa(two, gap, ordered = its, missing = "pairwise"))),
  groups = gauss(quote(cfa(m2, g2, ordered = it2, group = "gender"))))
rows <- c(delta = 120, theta = 120, mixed = 120, predictor = 120, gaps = 400, groups = 120)
out <- lapply(names(fits), function(n) { f <- fits[[n]]
  one <- function(m) { p <- lavPredict(f, method = m); if (!is.list(p)) p <- list(p)
    lapply(p, function(x) unname(unclass(x))[seq_len(min(rows[[n]], nrow(x))), , drop = FALSE]) }
  list(names = lavNames(f, "lv"), groups = lavInspect(f, "group.label"), case = head(unlist(lavInspect(f, "case.idx")), 3), ebm = one("EBM"), ml = one("ML")) })
names(out) <- names(fits)
write_json(out, "ordered_scores.json", digits = 12, auto_unbox = TRUE, na = "null", null = "null")
