# One lavaan process beside ours: reads a data file, then for each line on stdin climbs the ladder once and
# prints its seconds; an empty line ends it and prints the peak memory in MB.
suppressPackageStartupMessages(library(lavaan))
hs <- read.csv(commandArgs(TRUE)[1])
estimator <- commandArgs(TRUE)[2]
model <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
steps <- list("", "loadings", c("loadings", "intercepts"), c("loadings", "intercepts", "residuals"))
climb <- function() {
  fits <- lapply(steps, function(s) cfa(model, hs, group = "school", group.equal = s, estimator = estimator))
  list(tests = do.call(lavTestLRT, fits), indices = sapply(fits, fitMeasures), estimates = lapply(fits, parameterEstimates, standardized = TRUE))
}
invisible(climb())
input <- file("stdin", "r")
cat("ready\n"); flush(stdout())
while (nchar(readLines(input, n = 1)) > 0) {
  start <- proc.time()[["elapsed"]]; t <- Sys.time(); found <- climb()
  cat(format(as.numeric(difftime(Sys.time(), t, units = "secs")), digits = 6), found$indices["chisq", 4], "\n"); flush(stdout())
}
status <- readLines("/proc/self/status")
cat(as.numeric(gsub("[^0-9]", "", grep("VmHWM", status, value = TRUE))) / 1024, "\n")
