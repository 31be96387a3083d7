# What follows from a fit in lavaan 0.6-14: standardised solutions with standard errors, modification indices, score and
# Wald tests, residuals with their summary, factor scores. Fits are polished as in groups.R, whose functions are used.
# Run: Rscript after.R      (R 4.2.2, lavaan 0.6-14, jsonlite; reads data/*.csv.gz beside it, writes after.json.gz)
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
options(digits = 17, warn = 1)
for (e in as.list(parse("groups.R"))) if (is.call(e) && identical(e[[1]], as.name("<-")) && is.call(e[[3]]) &&
    identical(e[[3]][[1]], as.name("function"))) eval(e)
hs <- read.csv("data/hs1939.csv.gz"); gaps <- read.csv("data/hs1939_missing.csv.gz"); med <- read.csv("data/mediation_n250.csv.gz")
m3 <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
labelled <- "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + d*x6\nspeed =~ x7 + e*x8 + g*x9"
maybe <- function(e) tryCatch(suppressWarnings(e), error = function(x) NULL)
frame <- function(d) if (is.null(d)) NULL else { d <- as.list(as.data.frame(unclass(d), stringsAsFactors = FALSE)); lapply(d, function(v) unclass(v)) }
plain <- function(x) if (is.data.frame(x)) frame(x) else if (is.list(x)) lapply(x, plain) else if (is.matrix(x)) unname(unclass(x)) else if (is.character(x)) x else unname(unclass(x))
scores <- function(fit, method) { s <- maybe(lavPredict(fit, method = method, se = "standard")); if (is.null(s)) return(NULL)
  se <- attr(s, "se"); if (!is.list(s)) s <- list(s); rows <- lavInspect(fit, "case.idx"); if (!is.list(rows)) rows <- list(rows)
  lapply(seq_along(s), function(g) { k <- seq_len(min(12, nrow(s[[g]]))); e <- se[[g]]
    list(row = rows[[g]][k], score = unname(unclass(s[[g]])[k, , drop = FALSE]), se = unname(if (nrow(e) == 1) e else e[k, , drop = FALSE])) }) }
one <- function(fit, model, data, wald = NULL, mi = TRUE) {
  table <- parTable(fit)
  out <- list(meta = list(lavaan = as.character(packageVersion("lavaan")), data = data, model_syntax = model, gradient = attr(fit, "polished")),
    std_all = frame(standardizedSolution(fit, type = "std.all")), std_lv = frame(standardizedSolution(fit, type = "std.lv")),
    mi = if (mi) frame(maybe(modindices(fit))), mi_observed = if (mi) frame(maybe(modindices(fit, information = "observed"))))
  for (type in c("raw", "cor.bentler", "cor.bollen"))
    out$residuals[[type]] <- plain(maybe(lavResiduals(fit, type = type, se = TRUE, summary = TRUE)))
  out$residuals$normalized <- plain(maybe(residuals(fit, type = "normalized")))
  out$residuals$standardized <- plain(maybe(residuals(fit, type = "standardized")))
  out$scores <- list(regression = scores(fit, "regression"), bartlett = scores(fit, "Bartlett"))
  st <- maybe(lavTestScore(fit)); if (!is.null(st)) out$score_test <- list(total = frame(st$test), uni = frame(st$uni),
    plabel = as.list(setNames(paste(table$lhs, table$op, table$rhs, table$group), table$plabel))[table$plabel != ""])
  if (!is.null(wald)) out$wald <- lavTestWald(fit, wald)[c("stat", "df", "p.value")]
  cat(sprintf("%.60s  gradient %.1e\n", gsub("\n", "; ", model), attr(fit, "polished")))
  out
}
steps <- c("loadings", "intercepts")
gap <- function(model, ...) polish(model, gaps, missing = "fiml", em.h1.tol = 1e-13, em.h1.iter.max = 20000L, ...)
with_x <- "f =~ x4 + x5 + x6\nf ~ a*x1 + x2\nx9 ~ b*f\nind := a*b"
second <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9\ng =~ visual + textual + speed"
structural <- paste0(m3, "\nspeed ~ visual + textual")
equal <- "visual =~ x1 + a*x2 + a*x3\ntextual =~ x4 + c*x5 + d*x6\nspeed =~ x7 + e*x8 + g*x9\nc == d\nratio := a/e"
path <- "M1 ~ a*X + C\nY ~ b*M1\nM2 ~ M1\nind := a*b"
h <- "data/hs1939.csv"; g <- "data/hs1939_missing.csv"
all <- list(
  ml = one(polish(labelled, hs), labelled, h, "a == b\nc == 1.1"),
  means = one(polish(m3, hs, meanstructure = TRUE), m3, h),
  stdlv = one(polish(m3, hs, std.lv = TRUE), m3, h),
  observed = one(polish(m3, hs, information = "observed"), m3, h),
  mlr = one(polish(labelled, hs, estimator = "MLR"), labelled, h, "a == b\nc == 1.1"),
  mlm = one(polish(m3, hs, estimator = "MLM"), m3, h),
  structural = one(polish(structural, hs, fun = sem), structural, h),
  second = one(polish(second, hs), second, h),
  predictors = one(polish(with_x, hs, fun = sem), with_x, h),
  path = one(polish(path, med, fun = sem), path, "data/mediation_n250.csv"),
  path_random = one(polish(path, med, fun = sem, fixed.x = FALSE), path, "data/mediation_n250.csv"),
  predictors_random = one(polish(with_x, hs, fun = sem, fixed.x = FALSE), with_x, h),
  fixed_variance = one(polish(paste0(m3, "\nx1 ~~ 0.5*x1"), hs), paste0(m3, "\nx1 ~~ 0.5*x1"), h),
  equal = one(polish(equal, hs), equal, h),
  fiml = one(gap(m3), m3, g),
  fiml_mlr = one(gap(m3, estimator = "MLR"), m3, g),
  fiml_structural = one(gap(structural, fun = sem), structural, g),
  metric = one(polish(m3, hs, group = "school", group.equal = "loadings"), m3, h),
  scalar = one(polish(m3, hs, group = "school", group.equal = steps), m3, h),
  gls = one(polish(labelled, hs, estimator = "GLS"), labelled, h, "a == b\nc == 1.1", mi = FALSE),
  wls = one(polish(labelled, hs, estimator = "WLS"), labelled, h, "a == b\nc == 1.1", mi = FALSE),
  mlmv = one(polish(m3, hs, estimator = "MLMV"), m3, h),
  scalar_mlr = one(polish(m3, hs, group = "school", group.equal = steps, estimator = "MLR"), m3, h),
  fiml_metric = one(gap(m3, group = "school", group.equal = "loadings"), m3, g))
all$path$added <- frame(lavTestScore(sem(path, med), add = "M1 ~~ Y")$uni)
file <- gzfile("after.json.gz", "w")
writeLines(toJSON(all, digits = I(12), auto_unbox = TRUE, null = "null", na = "null"), file)
close(file)
