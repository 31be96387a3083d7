# Crossed random effects: lme4, lmerTest, pbkrtest, clubSandwich. Run in this folder: Rscript ref_crossed.R
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest); library(clubSandwich); library(jsonlite)})

tight <- function(f, d, REML, weights = NULL, offset = NULL) {
  fits <- list(); start <- NULL
  for (round in 1:2) for (op in c("bobyqa", "nloptwrap", "Nelder_Mead")) {
    ctl <- switch(op, bobyqa = list(rhobeg = if (round == 1) 0.2 else 2e-3, rhoend = 1e-10, maxfun = 1e5),
      nloptwrap = list(xtol_abs = 1e-14, ftol_abs = 1e-14, xtol_rel = 0, ftol_rel = 0, maxeval = 1e5),
      Nelder_Mead = list(maxfun = 2e4, FtolAbs = 1e-13, XtolRel = 1e-13, FtolRel = 1e-16))
    a <- list(formula = f, data = d, REML = REML, start = start, control = lmerControl(optimizer = op, optCtrl = ctl,
      check.conv.singular = "ignore", check.conv.grad = "ignore"))
    a$weights <- weights; a$offset <- offset
    m <- tryCatch(suppressMessages(suppressWarnings(do.call(lmerTest::lmer, a))), error = function(e) NULL)
    if (!is.null(m)) { fits <- c(fits, list(m)); crit <- sapply(fits, function(m) if (REML) REMLcrit(m) else deviance(m))
      start <- getME(fits[[which.min(crit)]], "theta") }
  }
  fits[[which.min(crit)]]
}

block <- function(m, REML, cluster = NULL) {
  v <- VarCorr(m); s <- coef(summary(m, ddf = "Satterthwaite"))
  o <- list(n_obs = nobs(m), n_groups = as.list(ngrps(m)), fixef = as.list(fixef(m)), se = as.list(sqrt(diag(as.matrix(vcov(m))))),
    sigma = sigma(m), AIC = AIC(m), BIC = BIC(m), criterion_minus2 = if (REML) REMLcrit(m) else as.numeric(-2 * logLik(m)),
    is_singular = isSingular(m, tol = 1e-5),
    varcorr = lapply(v, function(M) list(terms = as.list(rownames(M)), cov = unname(matrix(M, nrow(M))))),
    ranef = lapply(ranef(m, condVar = FALSE), function(r) list(level = rownames(r), values = unname(as.matrix(r)))),
    satterthwaite = list(df = as.list(setNames(s[, "df"], rownames(s)))))
  if (REML) { k <- coef(summary(m, ddf = "Kenward-Roger"))
    o$kenward_roger <- list(se = as.list(setNames(k[, "Std. Error"], rownames(k))), df = as.list(setNames(k[, "df"], rownames(k)))) }
  if (!is.null(cluster)) { ct <- coef_test(as(m, "lmerMod"), vcov = vcovCR(as(m, "lmerMod"), cluster = cluster, type = "CR2"), test = "Satterthwaite")
    o$CR2 <- list(se = as.list(setNames(ct$SE, rownames(ct))), df = as.list(setNames(ct$df_Satt, rownames(ct)))) }
  o
}

reference <- function(name, f, d, data, cluster = NULL, weights = NULL, offset = NULL, ...) {
  o <- list(name = name, formula = paste(deparse(f, 500), collapse = ""), data = paste0("data/", data, ".csv"),
    versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")), lmerTest = as.character(packageVersion("lmerTest")),
      pbkrtest = as.character(packageVersion("pbkrtest")), clubSandwich = as.character(packageVersion("clubSandwich"))), ...,
    REML = block(tight(f, d, TRUE, weights, offset), TRUE, cluster), ML = block(tight(f, d, FALSE, weights, offset), FALSE))
  write_json(o, paste0(name, ".json"), digits = NA, auto_unbox = TRUE, pretty = 1, matrix = "rowmajor")
  cat(name, o$REML$criterion_minus2, o$REML$is_singular, o$ML$is_singular, "\n")
}
save <- function(d, name) { for (j in names(d)) if (is.double(d[[j]])) d[[j]] <- sprintf("%.17g", d[[j]])
  write.csv(d, paste0("data/", name, ".csv"), row.names = FALSE, quote = FALSE); read.csv(paste0("data/", name, ".csv")) }

pen <- read.csv("data/Penicillin.csv")
reference("Penicillin_crossed", diameter ~ 1 + (1 | plate) + (1 | sample), pen, "Penicillin")

# Persons and raters of six institutions; each person is rated by three of the institution's five raters at two waves.
set.seed(41)
d <- do.call(rbind, lapply(1:6, function(i) do.call(rbind, lapply(1:8, function(p) {
  r <- sort(sample(5, 3)); expand.grid(wave = 0:1, rater = (i - 1) * 5 + r, person = (i - 1) * 8 + p, inst = i) }))))
d$arm <- as.numeric(d$inst %% 2 == 0); d$x <- rnorm(48)[d$person]
d$y <- 3 + .2 * d$wave + .3 * d$arm + .3 * d$x + rnorm(6, 0, .4)[d$inst] + rnorm(30, 0, .5)[d$rater] +
  rnorm(48, 0, .6)[d$person] + rnorm(48, 0, .6)[d$person] * d$wave + rnorm(nrow(d), 0, .4)
d$w <- runif(nrow(d), .5, 2)
d <- save(d, "raters")
reference("raters_nested_slope", y ~ wave * arm + x + (1 | inst) + (wave | person) + (1 | rater), d, "raters", cluster = d$inst)
reference("raters_weights", y ~ wave + x + (1 | rater) + (1 | person), d, "raters", weights = d$w, weights_column = "w")

# Subjects by items, both with slopes; a fifth of the rows is missing.
set.seed(42)
e <- expand.grid(item = 1:12, subject = 1:20); e$x <- round(rnorm(nrow(e)), 2)
e$y <- 1 + .5 * e$x + rnorm(20, 0, .8)[e$subject] + rnorm(20, 0, .5)[e$subject] * e$x + rnorm(12, 0, .7)[e$item] +
  rnorm(12, 0, .4)[e$item] * e$x + rnorm(nrow(e))
e <- save(e[sort(sample(nrow(e), 192)), ], "items")
reference("items_two_slopes", y ~ x + (x | subject) + (x | item), e, "items")
reference("items_uncorrelated", y ~ x + (x || subject) + (1 | item), e, "items")

# Items that differ no more than chance: a variance of zero.
set.seed(7)
z <- expand.grid(item = 1:10, subject = 1:15); z$x <- rnorm(nrow(z))
z$y <- .5 * z$x + rnorm(15)[z$subject] + residuals(lm(rnorm(nrow(z)) ~ factor(z$item)))
z <- save(z, "singular")
reference("singular_items", y ~ x + (1 | subject) + (1 | item), z, "singular")

# An offset: nested levels.
s <- as.data.frame(sleepstudy); s$off <- 3 * s$Days + as.numeric(s$Subject) / 7; s <- save(s, "sleep_offset")
reference("sleep_offset", Reaction ~ Days + offset(off) + (Days | Subject), s, "sleep_offset")
