# One lavaan process beside ours: fits the model once, then for each name on stdin answers that question and
# prints its seconds and a number to compare; an empty line ends it.
suppressPackageStartupMessages(library(lavaan))
data <- read.csv(commandArgs(TRUE)[1])
fit <- cfa(readLines(commandArgs(TRUE)[2]), data)
ask <- list(
  modindices = function() max(modindices(fit)$mi),
  standardised = function() sum(standardizedSolution(fit)$se),
  residuals = function() max(abs(residuals(fit, type = "standardized")$cov)),
  scores = function() sum(abs(lavPredict(fit, se = "standard"))))
input <- file("stdin", "r")
cat("ready\n"); flush(stdout())
while (nchar(what <- readLines(input, n = 1)) > 0) {
  t <- Sys.time(); found <- ask[[what]]()
  cat(format(as.numeric(difftime(Sys.time(), t, units = "secs")), digits = 6), format(found, digits = 12), "\n"); flush(stdout())
}
