# lavaan's bootstrap of one model: arguments the data, the model, the draws and what to add to the call. Prints
# seconds a draw and the mean standard deviation of the free parameters on each "go".
suppressPackageStartupMessages(library(lavaan))
arguments <- commandArgs(TRUE)
frame <- read.csv(arguments[1]); model <- paste(readLines(arguments[2]), collapse = "\n"); draws <- as.integer(arguments[3])
more <- eval(parse(text = paste0("list(", arguments[4], ")")))
fit <- do.call("sem", c(list(model, frame, se = "none", test = "none", baseline = FALSE), more))
cat("ready\n"); flush(stdout())
input <- file("stdin"); open(input)
while (nzchar(line <- readLines(input, 1))) {
  set.seed(1)
  seconds <- system.time(b <- bootstrapLavaan(fit, R = draws, FUN = coef))[["elapsed"]]
  cat(seconds / nrow(b), mean(apply(b, 2, sd)), "\n"); flush(stdout())
}
