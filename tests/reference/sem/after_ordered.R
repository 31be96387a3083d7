# What follows from fits of ordered items, least squares and clusters in lavaan 0.6-14: standardised solutions with standard
# errors, modification indices, score and Wald tests, residuals with their summary. Fits are polished as in groups.R;
# functions of groups.R and after.R are used.
# Run: Rscript after_ordered.R      (R 4.2.2, lavaan 0.6-14, jsonlite; reads data/*.csv.gz beside it, writes after_ordered.json.gz)
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
options(digits = 17, warn = 1)
for (file in c("groups.R", "after.R")) for (e in as.list(parse(file))) if (is.call(e) && identical(e[[1]], as.name("<-")) &&
    is.call(e[[3]]) && identical(e[[3]][[1]], as.name("function"))) eval(e)
# By name, because lavaan takes its defaults for thresholds from the name of the function called.
polish <- function(model, data, ..., fun = "cfa") {
  first <- do.call(fun, list(model, data, ...))
  best <- newton(first)
  table <- parTable(first)
  # What follows from the free parameters too: residual variances under delta, scales under theta.
  user <- lavaan:::lav_model_get_parameters(lavaan:::lav_model_set_parameters(first@Model, best$x), type = "user", extra = FALSE)
  table$est[seq_along(user)] <- user
  fit <- do.call(fun, list(model, data, ..., start = table, optim.method = "none", optim.force.converged = TRUE))
  attr(fit, "polished") <- best$gradient
  fit
}
slim <- function(d, keep) d[intersect(keep, names(d))]
std <- c("lhs", "op", "rhs", "group", "est.std", "se")
ask <- function(model, data, ..., wald = NULL, fun = "cfa", head = 0) {
  d <- read.csv(paste0("data/", data, ".csv.gz")); if (head) d <- d[seq_len(head), ]
  fit <- polish(model, d, ..., fun = fun)
  table <- parTable(fit)
  out <- list(meta = list(lavaan = as.character(packageVersion("lavaan")), data = data, head = head, model_syntax = model,
      options = lapply(list(...), function(v) I(v)), gradient = attr(fit, "polished"), chisq = fitMeasures(fit, "chisq")[[1]]),
    std_all = frame(slim(standardizedSolution(fit, type = "std.all"), std)), std_lv = frame(slim(standardizedSolution(fit, type = "std.lv"), std)),
    std_nox = if (length(lavNames(fit, "ov.x"))) frame(slim(standardizedSolution(fit, type = "std.nox"), std)),
    mi = frame(maybe(modindices(fit))), mi_observed = frame(maybe(modindices(fit, information = "observed"))))
  for (type in c("raw", "cor.bentler", "cor.bollen")) { r <- maybe(lavResiduals(fit, type = type, se = TRUE, summary = TRUE))
    out$residuals[[type]] <- plain(r) }
  out$residuals$normalized <- plain(maybe(residuals(fit, type = "normalized")))
  out$residuals$standardized <- plain(maybe(residuals(fit, type = "standardized")))
  st <- maybe(lavTestScore(fit)); if (!is.null(st)) out$score_test <- list(total = frame(st$test), uni = frame(st$uni),
    plabel = as.list(setNames(paste(table$lhs, table$op, table$rhs, table$group), table$plabel))[table$plabel != ""])
  if (!is.null(wald)) out$wald <- lavTestWald(fit, wald)[c("stat", "df", "p.value")]
  cat(sprintf("%-60.60s %s  chisq %.8f  gradient %.1e\n", gsub("\n", "; ", model), fit@Options$estimator, out$meta$chisq, attr(fit, "polished")))
  out
}
an <- c("A1", "A2", "A3", "N1", "N2", "N3")
labelled <- "A =~ A1 + a*A2 + b*A3\nN =~ N1 + c*N2 + d*N3"
equal <- "A =~ A1 + a*A2 + a*A3\nN =~ N1 + c*N2 + d*N3\nc == d\nN1 | s*t1\nN2 | s*t2\nratio := a/c"
structural <- "A =~ A1 + A2 + A3\nN =~ N1 + N2 + N3\nN ~ A"
n600 <- function(model, ...) ask(model, "bfi_an10_n600", ordered = an, ...)
two <- "a =~ A2 + A3 + A4\ne =~ E1 + E2 + E4"
ae <- c("A2", "A3", "A4", "E1", "E2", "E4")
cuts <- paste0(ae, " | ", sapply(ae, function(v) paste0("c(", v, "t", 1:5, ", ", v, "t", 1:5, ")*t", 1:5, collapse = " + ")), collapse = "\n")
same <- paste0("a =~ A2 + c(l1, l1)*A3 + c(l2, l2)*A4\ne =~ E1 + c(l3, l3)*E2 + c(l4, l4)*E4\na ~ c(0, NA)*1\ne ~ c(0, NA)*1\n", cuts)
scales <- paste0(ae, " ~*~ c(1, NA)*", ae, collapse = "\n"); residual <- paste0(ae, " ~~ c(1, NA)*", ae, collapse = "\n")
groups <- function(model, ...) ask(model, "bfi_ae8_gender", ordered = ae, group = "gender", ...)
m3 <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
hs3 <- "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + d*x6\nspeed =~ x7 + e*x8 + g*x9"
hequal <- "visual =~ x1 + a*x2 + a*x3\ntextual =~ x4 + c*x5 + d*x6\nspeed =~ x7 + e*x8 + g*x9\nc == d"
hs <- function(model, ...) ask(model, "hs1939", ...)
five <- paste0("A", 1:5)
all <- list(
  delta = n600(labelled, wald = "a == b\nc == 1"),
  theta = n600(labelled, parameterization = "theta", wald = "a == b\nc == 1"),
  stdlv = n600(labelled, std.lv = TRUE),
  dwls = n600(labelled, estimator = "DWLS", wald = "a == b\nc == 1"),
  ulsmv = n600(labelled, estimator = "ULSMV"),
  wlsm = n600(labelled, estimator = "WLSM"),
  wls = n600(labelled, estimator = "WLS"),
  uls = n600(labelled, estimator = "ULS"),
  equal = n600(equal),
  equal_theta = n600(equal, parameterization = "theta"),
  structural = n600(structural, fun = "sem"),
  structural_theta = n600(structural, fun = "sem", parameterization = "theta"),
  pairwise = ask(labelled, "bfi_an10_missing", ordered = an, missing = "pairwise", head = 900),
  mixed = ask("A =~ A1 + A2 + A3 + A4 + A5", "bfi_a5_mixed", ordered = five[1:3]),
  mixed_theta = ask("A =~ A1 + A2 + A3 + A4 + A5", "bfi_a5_mixed", ordered = five[1:3], parameterization = "theta"),
  predictor = ask("A =~ A1 + A2 + A3 + A4 + A5\nA ~ age", "bfi_a5_mixed", ordered = five[1:3], fun = "sem"),
  mediator = ask("A =~ A2 + A3 + A5\nA4 ~ A + age\nA1 ~ A4 + age", "bfi_a5_cov", ordered = five, parameterization = "theta", fun = "sem", head = 700),
  groups = groups(two),
  groups_equal = groups(paste0(same, "\n", scales)),
  groups_equal_theta = groups(paste0(same, "\n", residual), parameterization = "theta"),
  gls = hs(hs3, estimator = "GLS", wald = "a == b\nc == 1.1"),
  hs_wls = hs(hs3, estimator = "WLS", meanstructure = TRUE, wald = "a == b\nc == 1.1"),
  hs_dwls = hs(hs3, estimator = "DWLS"),
  hs_uls = hs(hs3, estimator = "ULS", meanstructure = TRUE),
  gls_equal = hs(hequal, estimator = "GLS"),
  wls_structural = hs(paste0(m3, "\nspeed ~ visual + textual"), estimator = "WLS", fun = "sem"),
  gls_metric = hs(m3, estimator = "GLS", group = "school", group.equal = "loadings"),
  dwls_scalar = hs(m3, estimator = "DWLS", group = "school", group.equal = c("loadings", "intercepts")),
  ml_predictors = ask("f =~ x4 + x5 + x6\nf ~ a*x1 + x2\nx9 ~ b*f + x1\nind := a*b", "hs1939", fixed.x = TRUE, fun = "sem"),
  cluster = ask("LEAD =~ LEAD01 + a*LEAD02 + a*LEAD03 + LEAD04 + LEAD05\nTSIG =~ TSIG01 + TSIG02 + TSIG03", "lq2002",
    estimator = "MLR", cluster = "COMPID"),
  two_stage = ask(hequal, "hs1939_missing", missing = "two.stage", em.h1.tol = 1e-13, em.h1.iter.max = 20000L),
  robust_two_stage = ask(hs3, "hs1939_missing", missing = "robust.two.stage", em.h1.tol = 1e-13, em.h1.iter.max = 20000L),
  gls_path = ask("M1 ~ a*X + C\nY ~ b*M1\nM2 ~ M1\nind := a*b", "mediation_n250", estimator = "GLS", fixed.x = FALSE, fun = "sem"))
binary <- read.csv("data/bfi_an10_n600.csv.gz"); binary[] <- lapply(binary, function(v) as.integer(v > 3))
path <- file.path(tempdir(), "data"); dir.create(path); write.csv(binary, gzfile(file.path(path, "binary.csv.gz")), row.names = FALSE)
here <- setwd(tempdir()); all$binary <- ask(labelled, "binary", ordered = an); all$binary_theta <- ask(labelled, "binary", ordered = an, parameterization = "theta"); setwd(here)
file <- gzfile("after_ordered.json.gz", "w")
writeLines(toJSON(all, digits = I(12), auto_unbox = TRUE, null = "null", na = "null"), file)
close(file)
