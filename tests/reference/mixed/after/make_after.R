# Reference values for what follows from a fit: prediction, conditional modes, marginal means, contrasts.
# Run in this folder: Rscript make_after.R      (R 4.2.2, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2, emmeans 1.8.4-1)
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(jsonlite)})
emm_options(lmerTest.limit = 1e5, pbkrtest.limit = 1e5)
num17 <- function(x) {
  if (is.list(x)) return(lapply(x, num17))
  if (is.factor(x)) return(as.character(x))
  if (is.numeric(x)) {
    y <- ifelse(is.finite(x), sprintf("@@%.17g@@", as.double(x)), "@@null@@")
    dim(y) <- dim(x); if (is.null(dim(x))) names(y) <- names(x)
    return(y)
  }
  x
}
write17 <- function(x, file) {
  j <- toJSON(num17(x), auto_unbox = TRUE, na = "null", null = "null", pretty = FALSE)
  writeLines(gsub('"@@([^@"]*)@@"', "\\1", j), file)
}
columns <- function(d) { d <- as.data.frame(d); lapply(d, function(z) if (is.factor(z)) as.character(z) else z) }
tight <- function(f, d, REML, ...) {
  best <- NULL
  for (op in c("bobyqa", "nloptwrap", "Nelder_Mead")) for (start in 1:2) {
    oc <- switch(op, bobyqa = list(rhobeg = 2e-3, rhoend = 1e-10, maxfun = 1e5),
      nloptwrap = list(xtol_abs = 1e-14, ftol_abs = 1e-14, xtol_rel = 0, ftol_rel = 0, maxeval = 1e5),
      Nelder_Mead = list(maxfun = 2e4, FtolAbs = 1e-13, XtolRel = 1e-13, FtolRel = 1e-16))
    a <- list(formula = f, data = d, REML = REML, ...,
      control = lmerControl(optimizer = op, optCtrl = oc, check.conv.singular = "ignore", check.conv.grad = "ignore"))
    if (!is.null(best)) a$start <- getME(best, "theta")
    m <- suppressMessages(suppressWarnings(do.call(lmerTest::lmer, a)))
    crit <- function(m) if (REML) REMLcrit(m) else as.numeric(-2 * logLik(m))
    if (is.null(best) || crit(m) < crit(best)) best <- m
  }
  best
}
modes <- function(m) {
  r <- ranef(m, condVar = TRUE)
  lapply(r, function(g) {
    v <- attr(g, "postVar")
    list(level = rownames(g), terms = colnames(g), values = unname(as.matrix(g)),
      var = lapply(seq_len(dim(v)[3]), function(k) unname(matrix(v[, , k], dim(v)[1]))))
  })
}
basic <- function(m, formula, data, new, partial, factors = character(), weights = NULL) {
  list(formula = formula, data = data, reml = isREML(m), factors = factors, weights = weights, modes = modes(m),
    new = columns(new),
    predict_none = unname(predict(m, new, re.form = NA)),
    predict_partial = list(levels = partial$levels, values = unname(predict(m, new, re.form = partial$form, allow.new.levels = TRUE))),
    predict_conditional = unname(predict(m, new, allow.new.levels = TRUE)),
    fitted = unname(fitted(m)),
    var_fixed = var(as.vector(getME(m, "X") %*% fixef(m))),
    mean_random = { mm <- getME(m, "mmList"); v <- VarCorr(m)
      lapply(setNames(seq_along(mm), names(mm)), function(i) { Z <- as.matrix(mm[[i]]); mean(rowSums((Z %*% as.matrix(v[[i]])) * Z)) }) },
    sigma2 = sigma(m)^2)
}
table_of <- function(e) { s <- as.data.frame(summary(e, infer = c(TRUE, TRUE))); columns(s) }
means <- function(m, specs, by = NULL, at = NULL, weights = "equal", mode, methods = "pairwise", adjusts, cov.keep = "2") {
  e <- emmeans(m, specs = specs, by = by, at = at, weights = weights, lmer.df = mode, cov.keep = cov.keep)
  out <- list(specs = specs, by = by, at = at, weights = weights, df = mode, means = table_of(e), contrasts = list())
  for (me in methods) for (ad in adjusts) {
    con <- if (me == "trt.vs.ctrl") contrast(e, me, adjust = ad) else contrast(e, me, adjust = ad)
    out$contrasts[[length(out$contrasts) + 1]] <- list(method = me, adjust = ad, table = table_of(con))
  }
  out
}
read <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))

# 1 waves as categories by arm, persons in institutions
d <- read("sim3_12inst"); d$w <- factor(paste0("w", d$wave)); d$a <- factor(ifelse(d$arm == 1, "trained", "usual"))
f1 <- y ~ w * a + x + (1 | inst) + (1 | person)
m1 <- tight(f1, d, TRUE)
new <- data.frame(w = c("w0", "w1", "w2", "w2"), a = c("usual", "trained", "usual", "trained"), x = c(0.5, -1, 2, 0),
  inst = c(1, 2, 3, 99), person = c(1, 9999, 40, 9998))
new$inst[3] <- d$inst[match(40, d$person)]; new$inst[1] <- d$inst[match(1, d$person)]
out1 <- basic(m1, "y ~ w * a + x + (1 | inst) + (1 | person)", "sim3_12inst", new, list(levels = "inst", form = ~(1 | inst)), c("w", "a"))
all <- c("none", "holm", "bonferroni", "sidak", "tukey", "fdr")
out1$emmeans <- list(
  means(m1, c("w", "a"), mode = "kenward-roger", adjusts = c("tukey", "holm")),
  means(m1, "w", by = "a", mode = "kenward-roger", methods = "pairwise", adjusts = all),
  means(m1, "w", by = "a", mode = "satterthwaite", methods = c("consec", "trt.vs.ctrl", "poly"), adjusts = c("none", "holm", "bonferroni", "sidak", "fdr")),
  means(m1, "a", at = list(x = 1), weights = "proportional", mode = "satterthwaite", adjusts = "none"),
  means(m1, "a", by = "w", at = list(x = c(-1, 1)), mode = "kenward-roger", adjusts = "none"))
write17(out1, "waves_by_arm.json")

# 2 slopes, a polynomial, a scaled covariate: the basis must be remembered
f2 <- y ~ poly(wave, 2) + scale(x) * arm + (1 + wave | person)
d2 <- read("sim3_12inst")
m2 <- tight(y ~ poly(wave, 2) + scale(x) * arm + (1 | inst) + (1 + wave | person), d2[, ], TRUE)
new2 <- data.frame(wave = c(0, 1.5, 2, 3), x = c(0.1, -0.4, 3, 1), arm = c(0, 1, 1, 0), person = c(1, 2, 7777, 8888), inst = c(d2$inst[match(1, d2$person)], d2$inst[match(2, d2$person)], 5, 77))
out2 <- basic(m2, "y ~ poly(wave, 2) + scale(x) * arm + (1 | inst) + (1 + wave | person)", "sim3_12inst", new2,
  list(levels = "person", form = ~(1 + wave | person)))
out2$emmeans <- list(means(m2, "arm", mode = "kenward-roger", adjusts = "none"),
  means(m2, c("wave", "arm"), at = list(wave = 0:2), mode = "satterthwaite", adjusts = "bonferroni"))
write17(out2, "polynomial_slope.json")

# 3 a slope between institutions too, by ML
m3 <- tight(JSAT ~ TIME + AGE + (1 + TIME | SUBNUM), read("univbct_complete"), FALSE)
d3 <- read("univbct_complete")
new3 <- data.frame(TIME = c(0, 2, 3), AGE = c(20, 35, 40), SUBNUM = c(1, 2, 99999))
out3 <- basic(m3, "JSAT ~ TIME + AGE + (1 + TIME | SUBNUM)", "univbct_complete", new3, list(levels = "SUBNUM", form = ~(1 + TIME | SUBNUM)))
out3$emmeans <- list(means(m3, "TIME", at = list(TIME = 0:2), mode = "satterthwaite", methods = c("pairwise", "poly"), adjusts = c("tukey", "none")))
keep <- seq(1, length(out3$modes$SUBNUM$level), by = 10)
out3$modes$SUBNUM <- list(level = out3$modes$SUBNUM$level[keep], terms = out3$modes$SUBNUM$terms, values = out3$modes$SUBNUM$values[keep, ], var = out3$modes$SUBNUM$var[keep])
out3$fitted <- out3$fitted[1:50]
write17(out3, "growth_ml.json")

# 4 sleepstudy with prior weights, slope
d4 <- read("sleepstudy_weights"); d4$Subject <- factor(d4$Subject)
m4 <- tight(Reaction ~ Days + (1 + Days | Subject), d4, TRUE, weights = d4$w)
new4 <- data.frame(Days = c(0, 5, 9), Subject = c("308", "309", "x"))
out4 <- basic(m4, "Reaction ~ Days + (1 + Days | Subject)", "sleepstudy_weights", new4, list(levels = "Subject", form = ~(1 + Days | Subject)), "Subject", "w")
write17(out4, "sleep_weights.json")

# 5 variances with and without predictors
vars <- function(m) { v <- VarCorr(m); c(residual = sigma(m)^2, sapply(v, function(s) s[1, 1])) }
pair <- function(full, null, data) { d <- read(data); f <- function(t) vars(tight(as.formula(t), d, TRUE))
  list(formula = full, data = data, full = as.list(f(full)), null = as.list(f(null))) }
write17(list(
  two_levels = pair("HRS ~ LEAD + G.LEAD + (1 | GRP)", "HRS ~ 1 + (1 | GRP)", "bh1996"),
  three_levels = pair("y ~ wave * arm + x + (1 | inst) + (1 | person)", "y ~ 1 + (1 | inst) + (1 | person)", "sim3_12inst")),
  "reductions.json")

# 6 crossed factors (data set of lme4), a covariate-free model with unequal replication: every seventh row left out
d6 <- Penicillin[-seq(1, 144, by = 7), ]
d6 <- data.frame(diameter = d6$diameter, plate = as.character(d6$plate), sample = as.character(d6$sample))
write.csv(d6, "penicillin_unbalanced.csv", row.names = FALSE, quote = FALSE)
m6 <- tight(diameter ~ 1 + (1 | plate) + (1 | sample), d6, TRUE)
new6 <- data.frame(plate = c("a", "b", "new"), sample = c("A", "new", "B"))
out6 <- basic(m6, "diameter ~ 1 + (1 | plate) + (1 | sample)", "../after/penicillin_unbalanced", new6,
  list(levels = "plate", form = ~(1 | plate)))
write17(out6, "crossed.json")

# 7 effect sizes of emmeans with the residual SD and a given df
e7 <- eff_size(emmeans(m1, "w", by = "a", lmer.df = "kenward-roger"), sigma = sigma(m1), edf = 300)
write17(columns(as.data.frame(summary(e7))), "eff_size.json")
