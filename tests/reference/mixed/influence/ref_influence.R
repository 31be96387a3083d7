# Leave-one-subject-out by a loop over lmer, tightly optimised. Run in this folder: Rscript ref_influence.R
suppressPackageStartupMessages({library(lme4); library(jsonlite)})
s <- read.csv("../crossed/data/sleep_offset.csv"); f <- Reaction ~ Days + (Days | Subject)
tight <- function(d, start = NULL) lmer(f, d, start = start, control = lmerControl(optimizer = "bobyqa",
  optCtrl = list(rhobeg = if (is.null(start)) 0.2 else 2e-3, rhoend = 1e-11, maxfun = 1e5)))
best <- function(d) { m <- tight(d); tight(d, getME(m, "theta")) }
full <- best(s); b <- fixef(full); V <- as.matrix(vcov(full))
out <- lapply(unique(s$Subject), function(j) { m <- best(s[s$Subject != j, ]); d <- b - fixef(m)
  v <- as.data.frame(VarCorr(m))$vcov
  list(subject = j, fixef = unname(fixef(m)), se = unname(sqrt(diag(as.matrix(vcov(m))))),
    cooks = as.numeric(t(d) %*% solve(V) %*% d) / 2, dfbetas = unname(d / sqrt(diag(as.matrix(vcov(m))))),
    covratio = det(as.matrix(vcov(m))) / det(V), vcov = v) })
vif <- NULL
d <- read.csv("../crossed/data/raters.csv"); d$g <- factor(c("a", "b", "c")[1 + (d$person + d$wave) %% 3])
m <- lmer(y ~ wave + x + arm + g + (1 | person), d, control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-11)))
if (requireNamespace("car", quietly = TRUE)) vif <- as.matrix(car::vif(m)) else {
  R <- cov2cor(as.matrix(vcov(m))[-1, -1]); asg <- attr(getME(m, "X"), "assign")[-1]; k <- unique(asg)
  vif <- t(sapply(k, function(t) { s <- which(asg == t); c(det(R[s, s, drop = FALSE]) * det(R[-s, -s, drop = FALSE]) / det(R), length(s)) }))
  vif <- cbind(vif, vif[, 1]^(1 / (2 * vif[, 2]))); rownames(vif) <- attr(terms(m), "term.labels") }
x <- cbind(1, getME(m, "X")[, -1]); sc <- sweep(x, 2, sqrt(colSums(x^2)), "/")
write_json(list(sleep = out, vif = list(terms = rownames(vif), values = unname(vif)), condition = max(svd(sc)$d) / svd(sc)$d,
  car = requireNamespace("car", quietly = TRUE)), "influence.json", digits = NA, auto_unbox = TRUE)
