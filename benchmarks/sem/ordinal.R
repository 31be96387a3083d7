# One lavaan process beside ours: reads a data file, then for each line on stdin fits the model once and prints its
# seconds, chi-square and scaled chi-square; an empty line ends it and prints the peak memory in MB.
suppressPackageStartupMessages(library(lavaan))
d <- read.csv(commandArgs(TRUE)[1])
model <- paste(readLines(commandArgs(TRUE)[2]), collapse = "\n")
fit <- function() {
  f <- cfa(model, d, ordered = names(d), estimator = "WLSMV")
  list(indices = fitMeasures(f), estimates = parameterEstimates(f, standardized = TRUE))
}
invisible(fit())
input <- file("stdin", "r")
cat("ready\n"); flush(stdout())
while (nchar(readLines(input, n = 1)) > 0) {
  t <- Sys.time(); found <- fit()
  cat(format(as.numeric(difftime(Sys.time(), t, units = "secs")), digits = 6), format(found$indices["chisq"], digits = 12), format(found$indices["chisq.scaled"], digits = 12), "\n"); flush(stdout())
}
status <- readLines("/proc/self/status")
cat(as.numeric(gsub("[^0-9]", "", grep("VmHWM", status, value = TRUE))) / 1024, "\n")
