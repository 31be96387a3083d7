# lme4::refit of many responses, timed. Called by refits.py with: folder, number of refits.
suppressMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
count <- as.integer(arguments[2])
data <- read.csv(file.path(folder, "data.csv"))
models <- readLines(file.path(folder, "models.txt"))
control <- lmerControl(calc.derivs = FALSE)
for (index in seq_along(models)) {
  connection <- file(file.path(folder, sprintf("responses_%d.bin", index)), "rb")
  Y <- matrix(readBin(connection, "double", n = nrow(data) * count), nrow = nrow(data))
  close(connection)
  fit <- suppressMessages(suppressWarnings(lmer(as.formula(models[index]), data, control = control)))
  seconds <- numeric(count)
  for (j in seq_len(count)) {
    start <- proc.time()[["elapsed"]]
    again <- suppressMessages(suppressWarnings(refit(fit, Y[, j])))
    seconds[j] <- proc.time()[["elapsed"]] - start
  }
  # A fresh fit, because refit() of lme4 1.1-31 uses n - 1 degrees under REML; ten are enough to compare.
  data$y <- Y[, 1]
  criterion <- sapply(1:10, function(j) {
    data$y <- Y[, j]
    REMLcrit(suppressMessages(suppressWarnings(lmer(as.formula(models[index]), data,
      control = lmerControl(calc.derivs = FALSE, optCtrl = list(ftol_abs = 1e-12, xtol_abs = 1e-12))))))
  })
  cat(sprintf("%d %.6f %s\n", index, sum(seconds), paste(sprintf("%.17g", criterion), collapse = ",")))
}
