# Full information with fixed predictors that have missing values: lavaan drops those rows.
# Run: Rscript fiml_missing_predictor.R FOLDER   (writes the data file and one JSON an estimator into FOLDER)
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
out <- commandArgs(TRUE)[1]
d <- read.csv(gzfile(file.path(out, "data", "mediation_n250.csv.gz"))); set.seed(3)
for (v in names(d)) d[[v]][runif(nrow(d)) < .1] <- NA
d[5:8, ] <- NA; d[9:12, c("M1", "M2", "Y")] <- NA; d$X[9:12] <- 1; d$C[9:12] <- .5
file <- gzfile(file.path(out, "data", "mediation_missing.csv.gz"), "w")
write.csv(d, file, row.names = FALSE, na = ""); close(file)
model <- "M1 ~ X + C\nM2 ~ M1 + X\nY ~ M1 + M2 + X"
for (estimator in c("ML", "MLR")) {
  f <- suppressWarnings(sem(model, d, missing = "fiml", estimator = estimator, em.h1.tol = 1e-12, em.h1.iter.max = 20000L))
  p <- as.list(as.data.frame(parameterEstimates(f))[c("lhs", "op", "rhs", "est", "se")])
  m <- list(lavaan = as.character(packageVersion("lavaan")), data = "data/mediation_missing.csv", model_syntax = model,
            call = sprintf("sem(model, data, missing = 'fiml', estimator = '%s')", estimator),
            ntotal = lavInspect(f, "nobs"), norig = lavInspect(f, "norig"))
  write_json(list(meta = m, parameters = p, fit = as.list(fitMeasures(f))), digits = I(17), auto_unbox = TRUE, na = "null",
             file.path(out, paste0("fiml_missing_predictor_", tolower(estimator), ".json")))
}
