# lavaan's scaled tests of the samples that coverage.py wrote: a row a sample, columns MLR, MLM, MLMV.
suppressMessages(library(lavaan))
folder <- commandArgs(trailingOnly = TRUE)[1]
n <- as.integer(commandArgs(trailingOnly = TRUE)[2])
data <- read.csv(file.path(folder, "data.csv"), header = FALSE)
names(data) <- paste0("x", 1:6)
model <- "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6"
samples <- nrow(data) / n
found <- t(sapply(seq_len(samples), function(k) {
  rows <- data[(k - 1) * n + seq_len(n), ]
  sapply(c("MLR", "MLM", "MLMV"), function(estimator) {
    fit <- sem(model, rows, estimator = estimator, baseline = FALSE)
    unname(fitMeasures(fit, "pvalue.scaled"))
  })
}))
write.table(format(found, digits = 17), file.path(folder, "pvalues.csv"), sep = ",", quote = FALSE,
            row.names = FALSE, col.names = FALSE)
