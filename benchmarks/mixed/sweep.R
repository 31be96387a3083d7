# Fit the designs of sweep.py with lme4: default and tight. Argument: the folder with designs.csv and asked.csv.
suppressPackageStartupMessages(library(lme4))
folder <- commandArgs(TRUE)[1]
data <- split(read.csv(file.path(folder, "designs.csv")), ~ design)
asked <- read.csv(file.path(folder, "asked.csv"))
tight <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE, optCtrl = list(rhoend = 1e-11, maxfun = 1e5))
say <- function(engine, design, value, ok) cat(sprintf(
  '{"engine": "%s", "design": %d, "criterion": %s, "converged": %s}\n', engine, design,
  if (is.na(value)) "null" else sprintf("%.17g", value), if (ok) "true" else "false"))
for (k in seq_len(nrow(asked))) {
  d <- data[[as.character(asked$design[k])]]
  for (engine in c("lme4", "lme4 tight")) {
    control <- if (engine == "lme4") lmerControl() else tight
    fit <- tryCatch(suppressMessages(suppressWarnings(
      lmer(as.formula(asked$formula[k]), d, REML = asked$reml[k] == "True", control = control))),
      error = function(e) NULL)
    if (is.null(fit)) { say(engine, asked$design[k], NA, FALSE); next }
    value <- if (asked$reml[k] == "True") REMLcrit(fit) else deviance(fit)
    words <- fit@optinfo$conv$lme4$messages
    say(engine, asked$design[k], value, fit@optinfo$conv$opt == 0 && !any(grepl("failed", words)))
  }
}
