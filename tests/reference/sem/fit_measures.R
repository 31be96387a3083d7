# Everything fitMeasures() and parameterEstimates(standardized = TRUE, rsquare = TRUE) of lavaan 0.6-14 give, by
# estimator. Run in this folder: Rscript fit_measures.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
data <- function(name) read.csv(gzfile(paste0("data/", name, ".csv.gz")))
hs <- data("hs1939"); gaps <- data("hs1939_missing"); paths <- data("mediation_n250"); items <- data("bfi_an10_n600")
three <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
mediation <- "M1 ~ a*X + C\nM2 ~ X\nY ~ b*M1 + M2 + C\nind := a*b"
agree <- paste0("A =~ ", paste(names(items)[1:5], collapse = " + "), "\nN =~ ", paste(names(items)[6:10], collapse = " + "))
items$half <- rep(c("one", "two"), length.out = nrow(items))
case <- function(model, frame, estimator, kind = "cfa", ...) {
  call <- list(model, frame, estimator = estimator, ...)
  f <- do.call(kind, c(call, control = list(list(rel.tol = 1e-10))))
  if (!isTRUE(lavInspect(f, "converged"))) f <- do.call(kind, call)
  # lavaan's default of fixed.x depends on start, so that it is named here.
  call$fixed.x <- NULL
  call <- c(call, fixed.x = lavInspect(f, "options")$fixed.x && length(lavNames(f, "ov.x")) > 0)
  polished <- tryCatch(do.call(kind, c(call, optim.method = "GN", optim.gn.tol.x = 1e-13, start = f)), error = function(e) f)
  if (isTRUE(lavInspect(polished, "converged")) && polished@optim$fx <= f@optim$fx + 1e-13) f <- polished
  p <- parameterEstimates(f, standardized = TRUE, rsquare = TRUE)
  p$label <- NULL; class(p) <- "data.frame"
  o <- lavInspect(f, "options")
  list(fit = lapply(as.list(unclass(fitMeasures(f))), unname), parameters = as.list(p), fixed.x = o$fixed.x)
}
out <- list()
for (e in c("ML", "MLR", "MLM", "MLMV", "MLMVS", "GLS", "WLS", "ULS", "DWLS")) {
  out[[paste(e, "factors", sep = "|")]] <- case(three, hs, e)
  out[[paste(e, "means", sep = "|")]] <- case(three, hs, e, meanstructure = TRUE)
  out[[paste(e, "groups", sep = "|")]] <- case(three, hs, e, group = "school")
  out[[paste(e, "path", sep = "|")]] <- case(mediation, paths, e, kind = "sem")
}
for (e in c("ML", "MLR")) {
  out[[paste(e, "fiml", sep = "|")]] <- case(three, gaps, e, missing = "fiml")
  out[[paste(e, "fiml groups", sep = "|")]] <- case(three, gaps, e, missing = "fiml", group = "school")
}
for (m in c("two.stage", "robust.two.stage")) out[[paste("ML", m, sep = "|")]] <- case(three, gaps, "ML", missing = m)
for (e in c("WLSMV", "WLSM", "WLSMVS", "ULSMV", "ULSM", "ULSMVS", "WLS", "DWLS", "ULS")) {
  out[[paste(e, "ordered", sep = "|")]] <- case(agree, items, e, ordered = names(items)[1:10])
  if (e %in% c("WLSMV", "DWLS", "ULSMV"))
    out[[paste(e, "ordered groups", sep = "|")]] <- case(agree, items, e, ordered = names(items)[1:10], group = "half")
}
saturated <- sem("x1 ~~ x1 + x2 + x4\nx2 ~~ x2 + x4\nx4 ~~ x4", gaps, missing = "fiml")
out$saturated <- list(gfi = fitMeasures(saturated, "gfi")[[1]])
con <- gzfile("fit_measures.json.gz", "w")
writeLines(toJSON(out, digits = I(13), auto_unbox = TRUE, na = "null"), con)
close(con)
