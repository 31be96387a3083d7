# nlme's lme and gls on the models of residual.py, timed. Called with: folder of the data, repeats.
suppressMessages(library(nlme))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
repeats <- as.integer(arguments[2])
u <- read.csv(file.path(folder, "univbct_complete.csv"))
h <- read.csv(file.path(folder, "sim_hetero_ar1.csv"))
h$wave <- as.integer(h$wave)
u$TIME <- as.integer(u$TIME)
models <- list(
  gls_ar1 = function() gls(JSAT ~ TIME + AGE + GENDER, u, corAR1(form = ~ TIME | SUBNUM)),
  gls_un = function() gls(JSAT ~ C1 + C2 + AGE + GENDER, u, corSymm(form = ~ I(TIME + 1) | SUBNUM),
                          weights = varIdent(form = ~ 1 | TIME)),
  lme_ident = function() lme(JSAT ~ TIME + AGE + GENDER, u, ~ 1 | SUBNUM, weights = varIdent(form = ~ 1 | TIME)),
  lme_ar1 = function() lme(JSAT ~ TIME + AGE + GENDER, u, ~ 1 | SUBNUM, corAR1(form = ~ TIME | SUBNUM)),
  lme3_ident = function() lme(y ~ wave + arm + armwave, h, ~ 1 | inst/person, weights = varIdent(form = ~ 1 | wave)),
  lme3_ar1ident = function() lme(y ~ wave + arm + armwave, h, ~ 1 | inst/person,
                                 corAR1(form = ~ wave | inst/person), weights = varIdent(form = ~ 1 | wave))
)
for (name in names(models)) {
  seconds <- numeric(repeats)
  for (k in seq_len(repeats)) {
    start <- proc.time()[["elapsed"]]
    fit <- models[[name]]()
    seconds[k] <- proc.time()[["elapsed"]] - start
  }
  cat(sprintf("%s %.6f %.17g\n", name, median(seconds), -2 * as.numeric(logLik(fit))))
}
