# Difference tests along the ladder of invariance in lavaan 0.6-14, every fit polished as in groups.R, and the
# longitudinal ladder of semTools' exLong (3 waves of 3 indicators; simulated, shipped with semTools 0.5-6).
# Run: Rscript ladders.R      (R 4.2.2, lavaan 0.6-14, semTools 0.5-6, jsonlite)
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
steps <- list(configural = "", metric = "loadings", scalar = c("loadings", "intercepts"),
  strict = c("loadings", "intercepts", "residuals"), means = c("loadings", "intercepts", "residuals", "means"))
tests <- function(fits, methods) lapply(setNames(methods, methods), function(method) {
  rows <- lapply(seq_len(length(fits) - 1), function(k) {
    d <- as.data.frame(lavTestLRT(fits[[k]], fits[[k + 1]], method = method))
    list(chisq = d[2, "Chisq diff"], df = d[2, "Df diff"], p = d[2, "Pr(>Chisq)"]) })
  setNames(rows, names(fits)[-1]) })
indices <- function(fits) lapply(fits, function(f) as.list(unclass(fitMeasures(f))[c("chisq", "df", "cfi", "rmsea", "srmr", "logl")]))
out <- list(meta = list(lavaan = as.character(packageVersion("lavaan")), model_syntax = m3))
for (estimator in c("ML", "MLR", "MLM")) {
  fits <- lapply(steps, function(s) polish(m3, hs, group = "school", group.equal = s, estimator = estimator))
  out[[tolower(estimator)]] <- tests(fits, if (estimator == "ML") "default" else
    c("satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000"))
  cat(estimator, "\n")
}
gaps <- read.csv("data/hs1939_missing.csv.gz")
fits <- lapply(steps[1:3], function(s) polish(m3, gaps, group = "school", group.equal = s, estimator = "MLR",
  missing = "fiml", em.h1.tol = 1e-13, em.h1.iter.max = 20000L))
out$fiml_mlr <- tests(fits, c("satorra.bentler.2001", "satorra.bentler.2010"))
data(exLong, package = "semTools"); long <- exLong[, paste0("y", rep(1:3, 3), "t", rep(1:3, each = 3))]
write.csv(long, gzfile("data/exlong.csv.gz"), row.names = FALSE, quote = FALSE)
covariances <- paste(unlist(lapply(1:3, function(i) c(sprintf("y%dt1 ~~ y%dt2 + y%dt3", i, i, i), sprintf("y%dt2 ~~ y%dt3", i, i)))), collapse = "\n")
model <- function(step) {
  at <- match(step, c("configural", "metric", "scalar", "strict", "means"))
  paste(c(if (at < 2) sprintf("f%d =~ y1t%d + y2t%d + y3t%d", 1:3, 1:3, 1:3, 1:3)
          else sprintf("f%d =~ 1*y1t%d + l2*y2t%d + l3*y3t%d", 1:3, 1:3, 1:3, 1:3), covariances,
    if (at >= 3) c(sprintf("y%dt%d ~ i%d*1", rep(1:3, 3), rep(1:3, each = 3), rep(1:3, 3)), "f1 ~ 0*1",
      if (at < 5) c("f2 ~ 1", "f3 ~ 1")),
    if (at >= 4) sprintf("y%dt%d ~~ e%d*y%dt%d", rep(1:3, 3), rep(1:3, each = 3), rep(1:3, 3), rep(1:3, 3), rep(1:3, each = 3))), collapse = "\n")
}
fits <- lapply(setNames(names(steps), names(steps)), function(s) polish(model(s), long, meanstructure = TRUE, fun = sem))
out$longitudinal <- c(tests(fits, "default"), list(fit = indices(fits)))
writeLines(toJSON(out, digits = I(17), auto_unbox = TRUE, null = "null", na = "null"), "ladders.json")
