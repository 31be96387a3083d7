# Leavers against stayers in base R. Run in this folder: Rscript missing.R; writes missing.json.
# Leavers: soldiers with a wave-1 JOBSAT score (TIME 0) and none at wave 3.
library(jsonlite)
u <- read.csv("../../../data/raw/readiness-waves/univbct.csv"); w <- u[!duplicated(u$SUBNUM), ]
w <- w[!is.na(w$JOBSAT1), ]
leaver <- is.na(w$JOBSAT3)
compare <- function(v) {
  x <- v[leaver & !is.na(v)]; y <- v[!leaver & !is.na(v)]; nx <- length(x); ny <- length(y); df <- nx + ny - 2
  s <- sqrt(((nx - 1) * var(x) + (ny - 1) * var(y)) / df); d <- (mean(x) - mean(y)) / s
  h <- sqrt(1 / nx + 1 / ny); t <- d / h; j <- exp(lgamma(df / 2) - lgamma((df - 1) / 2)) / sqrt(df / 2)
  at <- function(p) uniroot(function(nc) pt(t, df, nc) - p, c(t - 10, t + 10), tol = 1e-12)$root
  wt <- t.test(x, y)
  list(n_leavers = nx, n_stayers = ny, g = j * d, low = j * at(.975) * h, high = j * at(.025) * h,
       t = unname(wt$statistic), df = unname(wt$parameter), p = wt$p.value)
}
write_json(list(JSAT = compare(w$JOBSAT1), AGE = compare(w$AGE)), "missing.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
