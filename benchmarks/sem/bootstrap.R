# lavaan's bootstrap of the same model: argument 1 the data, 2 the draws. Prints seconds a draw on each "go".
suppressPackageStartupMessages(library(lavaan))
arguments <- commandArgs(TRUE)
frame <- read.csv(arguments[1]); draws <- as.integer(arguments[2])
model <- "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3\nM ~ a*X\nY ~ b*M + c*X\nind := a*b"
fit <- sem(model, frame, se = "none", test = "none", baseline = FALSE)
labelled <- match(c("a", "b"), names(coef(fit)))
cat("ready\n"); flush(stdout())
input <- file("stdin"); open(input)
while (nzchar(line <- readLines(input, 1))) {
  set.seed(1)
  seconds <- system.time(b <- bootstrapLavaan(fit, R = draws, FUN = coef))[["elapsed"]]
  cat(seconds / nrow(b), sd(b[, labelled[1]] * b[, labelled[2]]), "\n"); flush(stdout())
}
