# Reference values of what follows from generalised and ordinal fits: glmer (lme4), glmmTMB, clmm (ordinal) by formula.
# Run in this folder: Rscript generalised_after.R    (R 4.2.2, lme4 1.1-31, glmmTMB 1.1.5, ordinal 2022.11-16)
suppressPackageStartupMessages({library(lme4); library(glmmTMB); library(ordinal); library(jsonlite)})
DATA <- "../data/"
cb <- read.csv(paste0(DATA, "cbpp.csv")); cb$period <- factor(cb$period)
s <- read.csv(paste0(DATA, "sim_glmm_12inst.csv"))
w <- read.csv(paste0(DATA, "wine.csv")); w$rating <- factor(w$rating, ordered = TRUE)
tight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhoend = 1e-10, maxfun = 2e5))
fine <- glmmTMBControl(optimizer = nlminb, optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-15, x.tol = 0))
k <- function(x) unname(head(x, 60))  # rows shown
predictions <- function(m) list(link = k(predict(m, type = "link")), response = k(predict(m, type = "response")),
  link_none = k(predict(m, type = "link", re.form = NA)), response_none = k(predict(m, type = "response", re.form = NA)))
variances <- function(X, b, G, Z) list(fixed = var(as.vector(X %*% b)),
  random = lapply(seq_along(G), function(k) mean(rowSums((Z[[k]] %*% G[[k]]) * Z[[k]]))))
# Newton steps on glmmTMB's exact gradient, as in generalised.R.
polished <- function(t) { f <- t$obj; p <- t$fit$par
  for (i in 1:4) p <- p - solve(numDeriv::jacobian(function(q) as.vector(f$gr(q)), p), as.vector(f$gr(p)))
  f$fn(p); t$fit$par <- p; t$fit$parfull <- f$env$last.par; t }
out <- list()
m <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, control = tight)
r <- ranef(m, condVar = TRUE)$herd
X <- model.matrix(m); one <- matrix(1, nrow(cb), 1)
out$cbpp <- c(predictions(m), list(mode = r[, 1], post_var = as.vector(attr(r, "postVar")),
  se_none = unname(sqrt(diag(X %*% as.matrix(vcov(m)) %*% t(X)))), se_tmb = NULL,
  variances = variances(X, fixef(m), list(as.matrix(VarCorr(m)$herd)), list(one))))
t <- glmmTMB(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, family = binomial, control = fine)
out$cbpp$tmb_link <- unname(predict(t)); out$cbpp$tmb_se_none <- unname(predict(t, re.form = NA, se.fit = TRUE)$se.fit)
m <- glmer(yb ~ x + wave + arm + (1 + wave | person), s, binomial, control = tight)
r <- ranef(m, condVar = TRUE)$person
out$slope <- list(link = k(predict(m)), mode = lapply(1:5, function(i) as.numeric(r[i, ])), post_var = lapply(1:5, function(i) as.vector(attr(r, "postVar")[, , i])),
  variances = variances(model.matrix(m), fixef(m), list(as.matrix(VarCorr(m)$person)), list(cbind(1, s$wave))))
t <- glmmTMB(yc ~ x + wave + arm + (1 | inst/person), s, family = poisson, control = fine)
v <- VarCorr(t)$cond; o <- matrix(1, nrow(s), 1)
V <- variances(model.matrix(~ x + wave + arm, s), fixef(t)$cond, lapply(v, as.matrix), list(o, o))
null <- glmmTMB(yc ~ 1 + (1 | inst/person), s, family = poisson, control = fine)
out$count <- c(predictions(t), list(se_none = k(predict(t, re.form = NA, se.fit = TRUE)$se.fit), variances = V, levels = names(v),
  null_intercept = unname(fixef(null)$cond), null_variance = sum(unlist(VarCorr(null)$cond))))
t <- polished(glmmTMB(ynb ~ x + wave + arm + (1 | inst), s, family = nbinom2, control = fine))
V <- variances(model.matrix(~ x + wave + arm, s), fixef(t)$cond, lapply(VarCorr(t)$cond, as.matrix), list(o))
null <- glmmTMB(ynb ~ 1 + (1 | inst), s, family = nbinom2, control = fine)
out$nbinom <- c(predictions(t), list(variances = V, theta = sigma(t), null_intercept = unname(fixef(null)$cond),
  null_variance = sum(unlist(VarCorr(null)$cond)), null_theta = sigma(null)))
# The inner tolerance moves clmm's standard errors by 1 %: they come from the fit with the smallest gradient, as in
# generalised.R; estimates and modes from that at 1e-8, whose log-likelihood is right by brute force.
fits <- lapply(c(1e-4, 1e-5, 1e-6, 1e-8, 1e-10), function(tol) tryCatch(clmm(rating ~ temp + contact + (1 | judge), data = w, Hess = TRUE,
  control = suppressWarnings(clmm.control(method = "ucminf", gradTol = tol, grtol = 1e-9, xtol = 1e-14, maxIter = 1000, innerCtrl = "noWarn"))), error = function(e) NULL))
fits <- Filter(Negate(is.null), fits); best <- max(sapply(fits, function(f) f$logLik)); fits <- Filter(function(f) f$logLik > best - 1e-5, fits)
m <- clmm(rating ~ temp + contact + (1 | judge), data = w, Hess = TRUE, control = clmm.control(grtol = 1e-9, gradTol = 1e-8, innerCtrl = "noWarn"))
smallest <- fits[[which.min(sapply(fits, function(f) max(abs(f$gradient))))]]
X <- model.matrix(~ temp + contact, w)[, -1]; e <- as.vector(X %*% m$beta); u <- ranef(m)$judge[, 1][w$judge]
shares <- function(e) { F <- cbind(0, sapply(m$alpha, function(a) plogis(a - e)), 1); unname(t(apply(F, 1, diff))) }
out$wine <- list(link = e + u, link_none = e, response = shares(e + u), response_none = shares(e), own = unname(fitted(m)),
  mode = ranef(m)$judge[, 1], post_var = condVar(m)$judge[, 1],
  se_none = sqrt(rowSums((X %*% vcov(smallest)[names(m$beta), names(m$beta)]) * X)),
  variances = variances(X, m$beta, list(as.matrix(ordinal::VarCorr(m)$judge)), list(matrix(1, nrow(w), 1))))
writeLines(toJSON(out, digits = 12, auto_unbox = TRUE), "after.json")
