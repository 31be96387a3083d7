# Models of several groups in lavaan 0.6-14, polished by Newton steps on lavaan's own gradient, because lavaan's
# optimisers stop 1e-6 to 1e-4 before the optimum when parameters are equal or answers missing.
# Run: Rscript groups.R      (R 4.2.2, lavaan 0.6-14, jsonlite; reads data/*.csv.gz beside it)
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
options(digits = 17, warn = 1)
hs <- read.csv("data/hs1939.csv.gz")
m3 <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
# Newton from lavaan's optimum with lavaan's own gradient, differenced for the Hessian, within the equalities.
newton <- function(fit) {
  model <- fit@Model
  objective <- function(x) {
    m <- lavaan:::lav_model_set_parameters(model, x)
    as.numeric(lavaan:::lav_model_objective(m, GLIST = m@GLIST, lavsamplestats = fit@SampleStats, lavdata = fit@Data,
      lavcache = fit@Cache))
  }
  # With missing answers lavaan's gradient does not weigh groups as its objective does, so that is differenced.
  gaps <- fit@SampleStats@missing.flag
  gradient <- function(x) if (!gaps) exact(x) else sapply(seq_along(x), function(j) {
    h <- replace(0 * x, j, 2e-3)
    (8 * (objective(x + h) - objective(x - h)) - objective(x + 2 * h) + objective(x - 2 * h)) / (12 * 2e-3) })
  exact <- function(x) {
    m <- lavaan:::lav_model_set_parameters(model, x)
    as.numeric(lavaan:::lav_model_gradient(m, GLIST = m@GLIST, lavsamplestats = fit@SampleStats, lavdata = fit@Data,
      lavcache = fit@Cache, type = "free"))
  }
  x <- lavaan:::lav_model_get_parameters(model, type = "free")
  K <- if (length(model@eq.constraints.K)) model@eq.constraints.K else diag(length(x))
  for (step in seq_len(if (gaps) 5 else 6)) {
    g <- drop(t(K) %*% gradient(x))
    H <- if (gaps) t(K) %*% lavInspect(fit, "information.observed") %*% K else sapply(seq_len(ncol(K)), function(j) {
      h <- 1e-5 * K[, j]; drop(t(K) %*% (gradient(x + h) - gradient(x - h))) / 2e-5 })
    x <- x - drop(K %*% solve((H + t(H)) / 2, g))
  }
  list(x = x, gradient = max(abs(drop(t(K) %*% gradient(x)))))
}
polish <- function(model, data, ..., fun = cfa) {
  first <- fun(model, data, ...)
  best <- newton(first)
  table <- parTable(first)
  table$est[table$free > 0] <- best$x[table$free[table$free > 0]]
  fit <- fun(model, data, ..., start = table, optim.method = "none", optim.force.converged = TRUE)
  attr(fit, "polished") <- best$gradient
  fit
}
dump <- function(fit, name, model, data, call) {
  p <- parameterEstimates(fit, standardized = TRUE, remove.nonfree = FALSE)
  keep <- c("lhs", "op", "rhs", "group", "label", "est", "se", "z", "ci.lower", "ci.upper", "std.lv", "std.all")
  out <- list(
    meta = list(name = name, lavaan = as.character(packageVersion("lavaan")), data = data, call = call,
      model_syntax = model, groups = lavInspect(fit, "group.label"), nobs = lavInspect(fit, "nobs"),
      ntotal = lavInspect(fit, "ntotal"), max_abs_gradient = attr(fit, "polished")),
    npar = fitMeasures(fit, "npar")[[1]],
    parameters = as.list(as.data.frame(p)[intersect(keep, names(p))]),
    fit = as.list(unclass(fitMeasures(fit))), r2 = lapply(lavInspect(fit, "rsquare"), as.list))
  writeLines(toJSON(out, digits = I(17), auto_unbox = TRUE, null = "null", na = "null"), paste0(name, ".json"))
  cat(sprintf("%-40s df=%d chisq=%.10f gradient %.1e\n", name, as.integer(out$fit$df), out$fit$chisq, out$meta$max_abs_gradient))
  invisible(fit)
}
steps <- list(configural = "", metric = "loadings", scalar = c("loadings", "intercepts"),
  strict = c("loadings", "intercepts", "residuals"),
  means = c("loadings", "intercepts", "residuals", "means"),
  everything = c("loadings", "intercepts", "residuals", "lv.variances", "lv.covariances", "means"))
for (estimator in c("ML", "MLR", "MLM")) for (step in names(steps)) {
  if (estimator != "ML" && step %in% c("means", "everything")) next
  fit <- polish(m3, hs, group = "school", group.equal = steps[[step]], estimator = estimator)
  dump(fit, sprintf("groups_hs_%s_%s", tolower(estimator), step), m3, "data/hs1939.csv",
    sprintf("group.equal = c(%s), estimator = %s", paste(steps[[step]], collapse = ", "), estimator))
}
partial <- polish(m3, hs, group = "school", group.equal = steps$scalar, group.partial = c("x3~1", "x7~1"))
dump(partial, "groups_hs_ml_partial", m3, "data/hs1939.csv", "group.equal = loadings, intercepts; group.partial = x3~1, x7~1")
unit <- polish(m3, hs, group = "school", group.equal = c("loadings", "intercepts"), std.lv = TRUE)
dump(unit, "groups_hs_ml_stdlv", m3, "data/hs1939.csv", "group.equal = loadings, intercepts; std.lv")
nomeans <- polish(m3, hs, group = "school", group.equal = "loadings", meanstructure = FALSE)
dump(nomeans, "groups_hs_ml_nomeans", m3, "data/hs1939.csv", "group.equal = loadings, meanstructure = FALSE")
by_group <- "visual =~ x1 + c(a, a)*x2 + c(b1, b2)*x3\ntextual =~ x4 + x5 + c(1.1, NA)*x6\nspeed =~ x7 + x8 + x9\nspeed ~ c(r1, r2)*visual\ngap := b1 - b2\nslopes := r1 - r2"
labels <- polish(by_group, hs, group = "school")
dump(labels, "groups_hs_ml_labels", by_group, "data/hs1939.csv", "labels and values by group")
observed <- "x4 ~ x1 + x2\nx5 ~ x4 + x1"
paths <- cfa(observed, hs, group = "school", group.equal = "regressions")
attr(paths, "polished") <- max(abs(lavInspect(paths, "optim.gradient")))
dump(paths, "groups_hs_ml_paths", observed, "data/hs1939.csv", "fixed predictors, group.equal = regressions")
gaps <- read.csv("data/hs1939_missing.csv.gz")
for (estimator in c("ML", "MLR")) for (step in c("configural", "metric", "scalar", "strict")) {
  fit <- polish(m3, gaps, group = "school", group.equal = steps[[step]], estimator = estimator, missing = "fiml",
    em.h1.tol = 1e-13, em.h1.iter.max = 20000L)
  dump(fit, sprintf("groups_fiml_%s_%s", tolower(estimator), step), m3, "data/hs1939_missing.csv",
    sprintf("missing = fiml, group.equal = c(%s), estimator = %s", paste(steps[[step]], collapse = ", "), estimator))
}
