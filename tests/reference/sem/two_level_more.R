# Two-level models in lavaan 0.6-14, polished by Newton steps on lavaan's own gradient, because its optimisers stop
# 1e-6 to 1e-4 before the optimum, and compared with a saturated model polished the same way, because lavaan's EM stops at 1e-4.
# Run in this folder: Rscript two_level_more.R      (R 4.2.2, lavaan 0.6-14, semTools 0.5-6, jsonlite). It also writes both data files.
suppressPackageStartupMessages({library(lavaan); library(semTools); library(jsonlite)})
options(digits = 17, warn = 1)
save <- function(d, name) { path <- gzfile(paste0("data/", name, ".csv.gz"), "w"); write.csv(d, path, row.names = FALSE, quote = FALSE); close(path) }
demo <- Demo.twolevel[Demo.twolevel$cluster %in% c(1:15, 51:65, 101:115, 151:165), ]
demo <- cbind(cluster = demo$cluster, round(demo[setdiff(names(demo), "cluster")], 3))
save(demo, "demo_twolevel")
set.seed(20240611)
size <- rep(c(4, 6, 9, 13), 15); team <- rep(seq_along(size), size); J <- length(size); N <- length(team)
zb <- rnorm(J); xb <- 0.7 * rnorm(J); mb <- 0.5 * xb + 0.4 * zb + 0.5 * rnorm(J); yb <- 0.6 * mb + 0.1 * xb + 0.4 * rnorm(J)
xw <- rnorm(N); mw <- 0.4 * xw + rnorm(N); yw <- 0.3 * mw + 0.2 * xw + rnorm(N)
paths <- data.frame(team = sprintf("t%02d", team), x = xb[team] + xw, m = 1 + mb[team] + mw, y = 2 + yb[team] + yw,
  v = 0.3 * xw + rnorm(N), z = zb[team])
paths <- cbind(paths["team"], round(paths[-1], 3))
save(paths, "paths_twolevel")
demo$half <- ifelse(demo$cluster %% 2 == 1, "odd", "even")
few <- demo[demo$cluster %in% c(1:4, 51:54, 101:104, 151:153), ]
gaps <- demo
items <- paste0("y", 1:6)
for (k in seq_along(items)) gaps[(seq_len(nrow(demo)) * 7 + k * 13) %% 17 == 0, items[k]] <- NA

newton <- function(fit) {
  model <- fit@Model
  gradient <- function(x) {
    m <- lavaan:::lav_model_set_parameters(model, x)
    as.numeric(lavaan:::lav_model_gradient(m, GLIST = m@GLIST, lavsamplestats = fit@SampleStats, lavdata = fit@Data,
      lavcache = fit@Cache, type = "free"))
  }
  con <- model@ceq.function
  curved <- length(model@ceq.nonlinear.idx) > 0
  x <- lavaan:::lav_model_get_parameters(model, type = "free")
  jacobian <- function(f, x) sapply(seq_along(x), function(j) { h <- replace(0 * x, j, 1e-4)
    (8 * (f(x + h) - f(x - h)) - f(x + 2 * h) + f(x - 2 * h)) / 12e-4 })
  if (curved) {
    slope <- function(x) matrix(lavaan:::lav_func_jacobian_complex(con, x), ncol = length(x))
    multiplier <- qr.solve(t(slope(x)), -gradient(x))
    for (step in 1:7) {
      C <- slope(x); m <- nrow(C)
      H <- jacobian(function(z) gradient(z) + drop(t(slope(z)) %*% multiplier), x)
      new <- solve(rbind(cbind((H + t(H)) / 2, t(C)), cbind(C, matrix(0, m, m))), -c(gradient(x), con(x)))
      x <- x + new[seq_along(x)]; multiplier <- new[-seq_along(x)]
    }
    return(list(x = x, gradient = max(abs(gradient(x) + drop(t(slope(x)) %*% multiplier)))))
  }
  K <- if (length(model@eq.constraints.K)) model@eq.constraints.K else diag(length(x))
  best <- Inf; kept <- x
  for (step in 1:8) {
    g <- drop(t(K) %*% gradient(x))
    if (max(abs(g)) < best) { best <- max(abs(g)); kept <- x }
    if (best < 1e-14) break
    H <- t(K) %*% jacobian(gradient, x) %*% K
    x <- x - drop(K %*% solve((H + t(H)) / 2, g))
  }
  list(x = kept, gradient = best)
}
fit_has_gaps <- function(fit) isTRUE(fit@SampleStats@missing.flag)
polish <- function(fun, model, data, ...) {
  first <- fun(model, data, ...)
  best <- newton(first)
  # Start values in a table by themselves do not tell levels apart, so the table becomes the model.
  table <- parTable(first)
  table <- table[intersect(c("id", "lhs", "op", "rhs", "user", "block", "group", "level", "free", "ustart", "exo", "label", "plabel"), names(table))]
  table$ustart[table$free > 0] <- best$x[table$free[table$free > 0]]
  # With missing answers lavaan would leave its saturated model unfitted too, so its optimiser starts at the optimum, and stays.
  stay <- if (fit_has_gaps(first)) list() else list(optim.method = "none", optim.force.converged = TRUE)
  fit <- do.call(lavaan, c(list(table, data, ..., meanstructure = TRUE), stay))
  attr(fit, "polished") <- best$gradient
  fit
}
# Saturated matrices at both levels, as a model, so that it can be polished.
saturated <- function(fit, data, ...) {
  names <- lavNames(fit, "ov", level = 1); between <- lavNames(fit, "ov", level = 2)
  free <- function(v) unlist(lapply(seq_along(v), function(i) paste(v[i], "~~", v[seq_len(i)])))
  text <- paste(c("level: 1", free(names), paste(setdiff(names, between), "~ 1")[length(setdiff(names, between)) > 0],
    paste(intersect(names, between), "~ 0*1"), "level: 2", free(between), paste(between, "~ 1")), collapse = "\n")
  polish(lavaan, text, data, ...)
}
numbers <- function(model, data, frame, cluster, ..., fun = sem, exact = TRUE, extra = list()) {
  fit <- polish(fun, model, data, cluster = cluster, ...)
  p <- as.data.frame(parameterEstimates(fit, standardized = TRUE, remove.nonfree = FALSE))
  p <- p[intersect(c("lhs", "op", "rhs", "group", "level", "label", "est", "se", "ci.lower", "ci.upper", "std.lv", "std.all"), names(p))]
  z <- standardizedSolution(fit)
  out <- list(meta = list(data = frame, cluster = cluster, kind = if (identical(fun, cfa)) "cfa" else "sem", gradient = attr(fit, "polished"),
      options = list(...)), model = model, nobs = nobs(fit), nclusters = unlist(lavInspect(fit, "nclusters")), parameters = as.list(p),
    standardised = list(lhs = z$lhs, op = z$op, rhs = z$rhs, level = if (is.null(z$level)) z$block else z$level,
      group = z$group, est = z$est.std, se = z$se),
    fit = as.list(unclass(fitMeasures(fit))), r2 = lapply(lavInspect(fit, "rsquare"), as.list), icc = as.list(lavInspect(fit, "icc")),
    loglik_x = lapply(fit@SampleStats@YLp, function(g) g[[2]]$loglik.x))
  if (exact) {
    s <- tryCatch(saturated(fit, data, cluster = cluster, ..., fixed.x = FALSE), error = function(e) { cat("saturated:", conditionMessage(e), "\n"); NULL })
    if (!is.null(s)) {
      out$saturated <- list(logl = s@loglik$loglik, gradient = attr(s, "polished"), within = unclass(lavInspect(s, "implied")[[1]]$cov),
        between = unclass(lavInspect(s, "implied")[[2]]$cov), eigen = min(eigen(lavInspect(s, "implied")[[2]]$cov)$values))
    }
  }
  cat(sprintf("%-8s df=%d chisq=%.9f logl=%.9f gradient %.0e saturated %.0e\n", frame, as.integer(out$fit$df), out$fit$chisq, out$fit$logl,
    attr(fit, "polished"), if (is.null(out$saturated)) NA else out$saturated$gradient))
  c(out, lapply(extra, function(f) f(fit)))
}
three <- function(w = "", b = "") paste0("level: 1\nfw =~ y1 + y2 + y3\n", w, "\nlevel: 2\nfb =~ y1 + y2 + y3\n", b)
full <- three("fw ~ x1 + x2 + x3", "fb ~ w1 + w2")
six <- "level: 1\nfw =~ y1 + y2 + y3\ngw =~ y4 + y5 + y6\nlevel: 2\nfb =~ y1 + y2 + y3\ngb =~ y4 + y5 + y6"
equal <- "level: 1\nf =~ y1 + a*y2 + b*y3\nf ~~ vw*f\nlevel: 2\nf =~ y1 + a*y2 + b*y3\nf ~~ vb*f\nicc := vb/(vb + vw)"
one_one_one <- "level: 1\nm ~ a1*x\ny ~ b1*m + c1*x\nlevel: 2\nm ~ a2*x\ny ~ b2*m + c2*x\nwithin := a1*b1\nbetween := a2*b2\ncontext := b2 - b1"
two_one_one <- "level: 1\ny ~ b1*m + v\nlevel: 2\nm ~ a*z\ny ~ b2*m + c*z\nindirect := a*b2\ntotal := c + a*b2"
saturated_text <- "level: 1\ny1 ~~ y1 + y2 + y3\ny2 ~~ y2 + y3\ny3 ~~ y3\nlevel: 2\ny1 ~~ y1 + y2 + y3\ny2 ~~ y2 + y3\ny3 ~~ y3"
# semTools' reliabilities with observed and with implied variances below the line; alphas of the saturated matrices.
plain <- function(r) lapply(as.list(if (is.matrix(r)) as.data.frame(r) else r), function(v) if (is.matrix(v)) as.list(as.data.frame(v)) else as.vector(unlist(v)))
named <- function(r) { if (is.matrix(r)) list(names = rownames(r), values = as.list(as.data.frame(unclass(r)))) else plain(r) }
omega <- function(config = character(0), shared = character(0)) list(omega = function(f) {
  one <- function(...) suppressWarnings(compRelSEM(f, ...))
  two <- function(...) lapply(list(observed = one(..., obs.var = TRUE), implied = one(..., obs.var = FALSE)), function(r) if (is.data.frame(r)) plain(r) else lapply(r, named))
  list(level = two(), alpha = two(tau.eq = TRUE), config = if (length(config)) two(config = config), config_alpha = if (length(config)) two(config = config, tau.eq = TRUE),
       shared = two(shared = shared), shared_alpha = two(shared = shared, tau.eq = TRUE)) })
# lavaan cannot fit some of these; what it says is printed, and there is no reference then.
try_one <- function(...) tryCatch(numbers(...), error = function(e) { cat("none:", conditionMessage(e), "\n"); NULL })
d <- function(model, ...) try_one(model, demo, "demo", "cluster", ...)
out <- list(
  full = d(full), full_std_lv = d(full, std.lv = TRUE), full_mlr = d(full, estimator = "MLR"),
  full_random_x = d(full, fixed.x = FALSE),
  within_only = d(three("fw ~ x1 + x2 + x3")), between_only = d(three(b = "fb ~ w1 + w2")),
  outcomes = d(three("x1 ~ fw + x2", "w1 ~ fb + w2")), indicator_of_one_level = d("level: 1\nfw =~ y1 + y2 + y3 + x1\nlevel: 2\nfb =~ y1 + y2 + y3 + w1"),
  six = d(six, fun = cfa, extra = omega(shared = c("fb", "gb"))), six_mlr = d(six, fun = cfa, estimator = "MLR"),
  equal = d(equal, fun = cfa, extra = omega("f", "f")), equal_mlr = d(equal, fun = cfa, estimator = "MLR"),
  constrained = d("level: 1\nfw =~ y1 + a1*y2 + b1*y3\nlevel: 2\nfb =~ y1 + a2*y2 + b2*y3\na1 == a2\nb1 == b2", fun = cfa),
  saturated = d(saturated_text),
  mediation_111 = try_one(one_one_one, paths, "paths", "team"),
  mediation_111_random = try_one(one_one_one, paths, "paths", "team", fixed.x = FALSE),
  mediation_111_mlr = try_one(one_one_one, paths, "paths", "team", estimator = "MLR"),
  mediation_211 = try_one(two_one_one, paths, "paths", "team"),
  mediation_211_mlr = try_one(two_one_one, paths, "paths", "team", estimator = "MLR"),
  mediation_211_random = try_one(two_one_one, paths, "paths", "team", fixed.x = FALSE),
  few = try_one(three(), few, "few", "cluster", fun = cfa),
  fiml = try_one(full, gaps, "gaps", "cluster", missing = "fiml"),
  fiml_mlr = try_one(full, gaps, "gaps", "cluster", missing = "fiml", estimator = "MLR"),
  fiml_six_mlr = try_one(six, gaps, "gaps", "cluster", missing = "fiml", estimator = "MLR", fun = cfa),
  fiml_six = try_one(six, gaps, "gaps", "cluster", missing = "fiml", fun = cfa),
  listwise = try_one(full, gaps, "gaps", "cluster"))
out$groups <- tryCatch(try_one("group: 1\nlevel: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3\ngroup: 2\nlevel: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3",
  demo, "demo", "cluster", group = "half", fun = cfa, exact = FALSE), error = function(e) { cat("groups:", conditionMessage(e), "\n"); NULL })
writeLines(toJSON(out, digits = I(17), auto_unbox = TRUE, null = "null", na = "null"), "two_level_more.json")
