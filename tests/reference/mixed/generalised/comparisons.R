# Reference values of comparisons, ratios and marginal means of generalised and ordinal models.
# Run in this folder: Rscript comparisons.R   (R 4.2.2, lme4 1.1-31, glmmTMB 1.1.5, ordinal 2022.11-16, emmeans)
suppressPackageStartupMessages({library(lme4); library(glmmTMB); library(ordinal); library(jsonlite); library(emmeans)})
DATA <- "../data/"
cb <- read.csv(paste0(DATA, "cbpp.csv")); cb$period <- factor(cb$period)
s <- read.csv(paste0(DATA, "sim_glmm_12inst.csv"))
w <- read.csv(paste0(DATA, "wine.csv")); w$rating <- factor(w$rating, ordered = TRUE)
tight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhoend = 1e-9, maxfun = 2e5))
test <- function(a, stat, df, p) list(statistic = a[[stat]][2], df = a[[df]][2], p = a[[p]][2])
full <- glmer(cbind(incidence, fail) ~ period + (1 | herd), cb, binomial, control = tight)
null <- glmer(cbind(incidence, fail) ~ 1 + (1 | herd), cb, binomial, control = tight)
out <- list(cbpp = c(test(anova(null, full), "Chisq", "Df", "Pr(>Chisq)"),
  list(aic = AIC(full), bic = BIC(full))))
tmb <- function(f) glmmTMB(f, s, family = poisson)
p3 <- tmb(yc ~ wave + arm + x + (1 | inst) + (1 | person)); p2 <- tmb(yc ~ wave + arm + x + (1 | person))
out$sim <- test(anova(p2, p3), "Chisq", "Chi Df", "Pr(>Chisq)")
# clmm's standard errors move by 1 % with its inner tolerance: the best fit is chosen as in generalised.R.
cum <- function(formula) {
  fits <- lapply(c(1e-4, 1e-5, 1e-6, 1e-8, 1e-10), function(tol) tryCatch({
    control <- suppressWarnings(clmm.control(method = "ucminf", gradTol = tol, grtol = 1e-9, xtol = 1e-14,
      maxIter = 1000, innerCtrl = "noWarn"))
    eval(bquote(clmm(.(formula), data = w, Hess = TRUE, control = control))) }, error = function(e) NULL))
  fits <- Filter(Negate(is.null), fits)
  best <- max(sapply(fits, function(f) f$logLik)); fits <- Filter(function(f) f$logLik > best - 1e-5, fits)
  fits[[which.min(sapply(fits, function(f) max(abs(f$gradient))))]] }
fw <- cum(rating ~ temp + contact + (1 | judge)); nw <- cum(rating ~ temp + (1 | judge))
out$wine <- test(anova(nw, fw), "LR.stat", "df", "Pr(>Chisq)")
ci <- confint(full, method = "Wald", parm = "beta_")
out$ratios <- list(ratio = unname(exp(fixef(full)))[-1], low = unname(exp(ci[, 1]))[-1], high = unname(exp(ci[, 2]))[-1])
columns <- function(e, ...) { d <- as.data.frame(summary(e, infer = TRUE, ...)); d <- d[sapply(d, is.numeric)]; lapply(d, unname) }
e <- emmeans(full, ~ period); p <- emmeans(p3, ~ arm, at = list(arm = c(0, 1))); o <- emmeans(fw, ~ temp)
out$means <- list(cbpp_link = columns(e), cbpp_response = columns(e, type = "response"),
  sim_link = columns(p), sim_response = columns(p, type = "response"), wine_latent = columns(o))
pairs_of <- function(e, a, ...) columns(contrast(e, "pairwise", adjust = a), ...)
out$pairs <- list(cbpp_tukey = pairs_of(e, "tukey"), cbpp_ratio = pairs_of(e, "bonferroni", type = "response"),
  sim_ratio = pairs_of(p, "none", type = "response"), wine = pairs_of(o, "none"))
out$versions <- list(emmeans = as.character(packageVersion("emmeans")))
writeLines(toJSON(out, auto_unbox = TRUE, pretty = TRUE, digits = 17), "comparisons.json")
