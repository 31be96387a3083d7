# Reference values of generalised and ordinal mixed models: glmmTMB and glmer (lme4), clmm (ordinal).
# Run in this folder: Rscript generalised.R    (R 4.2.2, lme4 1.1-31, glmmTMB 1.1.5, ordinal 2022.11-16)
# Laplace values of glmmTMB are polished: Newton steps on its exact gradient until it vanishes, and standard
# errors from the Jacobian of that gradient. glmer (quadrature) is run with tight controls.
suppressPackageStartupMessages({library(lme4); library(glmmTMB); library(ordinal); library(jsonlite); library(numDeriv)})
DATA <- "../data/"
number <- function(x) if (is.list(x)) lapply(x, number) else if (is.numeric(x)) {
  y <- paste0("@@", sprintf("%.17g", as.double(x)), "@@"); names(y) <- names(x); y } else x
write_json17 <- function(x, name) {
  text <- toJSON(number(x), auto_unbox = TRUE, pretty = TRUE)
  writeLines(gsub('"@@([^@"]*)@@"', "\\1", text), paste0(name, ".json")) }
covariances <- function(v) lapply(v, function(M) unname(as.list(as.vector(as.matrix(M)[lower.tri(M, diag = TRUE)]))))

tmb <- function(formula, data, family, ...) {
  m <- glmmTMB(formula, data, family = family, ...)
  f <- m$obj; p <- m$fit$par
  for (i in 1:4) { H <- jacobian(function(q) as.vector(f$gr(q)), p); p <- p - solve(H, as.vector(f$gr(p))) }
  V <- solve(jacobian(function(q) as.vector(f$gr(q)), p)); at <- names(p) == "beta"
  sd <- exp(p[names(p) == "theta"])
  list(by = "glmmTMB, polished", logLik = -as.numeric(f$fn(p)), estimate = setNames(as.list(p[at]), names(fixef(m)$cond)),
       std_error = setNames(as.list(sqrt(diag(V))[at]), names(fixef(m)$cond)),
       parameters = as.list(unname(p)), gradient = max(abs(f$gr(p))),
       dispersion = if (family$family == "nbinom2") exp(unname(p[names(p) == "betad"])) else NULL,
       sd = if (all(sapply(VarCorr(m)$cond, nrow) == 1)) as.list(unname(sd)) else NULL) }

agq <- function(formula, data, family, points, ...) {
  a <- glmer(formula, data, family = family, nAGQ = points, ...)
  b <- glmer(formula, data, family = family, nAGQ = points, start = list(theta = getME(a, "theta"), fixef = fixef(a)),
    control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12,
      optCtrl = list(rhobeg = 1e-3, rhoend = 1e-10, maxfun = 2e5)), ...)
  s <- coef(summary(b))
  list(by = "glmer", points = points, logLik = as.numeric(logLik(b)), estimate = as.list(fixef(b)),
    std_error = setNames(as.list(s[, 2]), rownames(s)), covariance = covariances(VarCorr(b))) }

# clmm's value depends on the tolerance of its inner Newton steps, and not in one direction (wine: -81.565412777 at
# 1e-8 and 1e-10, -81.565409292 at 1e-5 and 1e-6; sim: -2226.4275886 at 1e-8, -2226.4311448 at 1e-5): of the fits
# within 1e-5 of the highest log-likelihood the one with the smallest gradient is kept.
cum <- function(formula, data, points = 1, link = "logit") {
  fits <- lapply(c(1e-4, 1e-5, 1e-6, 1e-8, 1e-10), function(tol) tryCatch(
    clmm(formula, data = data, nAGQ = points, link = link, Hess = TRUE, control = suppressWarnings(clmm.control(
      method = "ucminf", gradTol = tol, grtol = 1e-9, xtol = 1e-14, maxIter = 1000, innerCtrl = "noWarn"))), error = function(e) NULL))
  fits <- Filter(Negate(is.null), fits)
  best <- max(sapply(fits, function(f) f$logLik)); fits <- Filter(function(f) f$logLik > best - 1e-5, fits)
  m <- fits[[which.min(sapply(fits, function(f) max(abs(f$gradient))))]]
  s <- coef(summary(m))
  list(by = "clmm", points = points, logLik = as.numeric(logLik(m)), estimate = as.list(setNames(s[, 1], rownames(s))),
    std_error = as.list(setNames(s[, 2], rownames(s))), covariance = covariances(ordinal::VarCorr(m)),
    gradient = max(abs(m$gradient))) }

one <- function(name, formula, data, family, link, values, offset = NULL, weights = NULL)
  write_json17(list(formula = formula, data = paste0("data/", data, ".csv"), family = family, link = link,
    offset = offset, weights = weights, values = values), name)

cb <- read.csv(paste0(DATA, "cbpp.csv")); cb$period <- factor(cb$period)
s <- read.csv(paste0(DATA, "sim_glmm_12inst.csv")); s$yof <- factor(s$yo, ordered = TRUE)
w <- read.csv(paste0(DATA, "wine.csv")); w$rating <- factor(w$rating, ordered = TRUE)
g <- as.data.frame(grouseticks); g$YEAR <- as.character(g$YEAR)
write.csv(g[c("INDEX", "TICKS", "BROOD", "HEIGHT", "YEAR", "LOCATION")], paste0(DATA, "grouseticks.csv"), row.names = FALSE, quote = FALSE)
g <- read.csv(paste0(DATA, "grouseticks.csv"), colClasses = c(YEAR = "character")); g$cHEIGHT <- g$HEIGHT - mean(g$HEIGHT)
cb$log_size <- log(cb$size)

f <- cbind(incidence, fail) ~ period + (1 | herd)
one("cbpp", "cbind(incidence, fail) ~ factor(period) + (1 | herd)", "cbpp", "binomial", "logit",
  list(laplace = tmb(f, cb, binomial()), agq10 = agq(f, cb, binomial(), 10), agq25 = agq(f, cb, binomial(), 25)))
one("cbpp_offset", "incidence ~ factor(period) + (1 | herd)", "cbpp", "poisson", "log",
  list(laplace = tmb(incidence ~ period + offset(log_size) + (1 | herd), cb, poisson())), offset = "log_size")
b <- yb ~ wave + arm + x + (1 | person)
one("binary_person", "yb ~ wave + arm + x + (1 | person)", "sim_glmm_12inst", "binomial", "logit",
  list(laplace = tmb(b, s, binomial()), agq15 = agq(b, s, binomial(), 15)))
one("binary_three_level", "yb ~ wave + arm + x + (1 | inst) + (1 | person)", "sim_glmm_12inst", "binomial", "logit",
  list(laplace = tmb(yb ~ wave + arm + x + (1 | inst) + (1 | person), s, binomial())))
one("binary_slope", "yb ~ wave + arm + x + (wave | inst) + (1 | person)", "sim_glmm_12inst", "binomial", "logit",
  list(laplace = tmb(yb ~ wave + arm + x + (wave | inst) + (1 | person), s, binomial())))
b <- yb ~ wave + arm + x + (1 | inst)
one("binary_probit", "yb ~ wave + arm + x + (1 | inst)", "sim_glmm_12inst", "binomial", "probit",
  list(laplace = tmb(b, s, binomial("probit")), glmer_laplace = agq(b, s, binomial("probit"), 1),
       agq15 = agq(b, s, binomial("probit"), 15)))
one("poisson_three_level", "yc ~ wave + arm + x + (1 | inst) + (1 | person)", "sim_glmm_12inst", "poisson", "log",
  list(laplace = tmb(yc ~ wave + arm + x + (1 | inst) + (1 | person), s, poisson())))
one("grouseticks", "TICKS ~ YEAR + center(HEIGHT) + (1 | LOCATION) + (1 | BROOD) + (1 | INDEX)", "grouseticks", "poisson", "log",
  list(laplace = tmb(TICKS ~ YEAR + cHEIGHT + (1 | LOCATION) + (1 | BROOD) + (1 | INDEX), g, poisson())))
one("nbinom_inst", "ynb ~ wave + arm + x + (1 | inst)", "sim_glmm_12inst", "nbinom", "log",
  list(laplace = tmb(ynb ~ wave + arm + x + (1 | inst), s, nbinom2())))
one("nbinom_grouseticks", "TICKS ~ YEAR + center(HEIGHT) + (1 | LOCATION/BROOD)", "grouseticks", "nbinom", "log",
  list(laplace = tmb(TICKS ~ YEAR + cHEIGHT + (1 | LOCATION/BROOD), g, nbinom2())))
one("wine", "rating ~ temp + contact + (1 | judge)", "wine", "ordinal", "logit",
  list(laplace = cum(rating ~ temp + contact + (1 | judge), w), agq10 = cum(rating ~ temp + contact + (1 | judge), w, 10)))
one("wine_probit", "rating ~ temp + contact + (1 | judge)", "wine", "ordinal", "probit",
  list(laplace = cum(rating ~ temp + contact + (1 | judge), w, 1, "probit"),
       agq10 = cum(rating ~ temp + contact + (1 | judge), w, 10, "probit")))
o <- yof ~ wave + arm + x + (1 | person)
one("ordinal_person", "yo ~ wave + arm + x + (1 | person)", "sim_glmm_12inst", "ordinal", "logit",
  list(laplace = cum(o, s), agq10 = cum(o, s, 10)))
one("ordinal_three_level", "yo ~ wave + arm + x + (1 | inst) + (1 | person)", "sim_glmm_12inst", "ordinal", "logit",
  list(laplace = cum(yof ~ wave + arm + x + (1 | inst) + (1 | person), s)))
one("ordinal_slope", "yo ~ wave + arm + x + (wave | inst)", "sim_glmm_12inst", "ordinal", "logit",
  list(laplace = cum(yof ~ wave + arm + x + (wave | inst), s)))
