# Refits and bootstrapped likelihood ratios for tests/mixed/test_mixed_resampling_reference.py.
# Run in this folder: Rscript ref_refit.R
suppressMessages({library(lme4); library(pbkrtest); library(jsonlite)})
data <- read.csv("../data/sim3_12inst.csv")
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5))
formula <- y ~ wave * arm + x + (1 | inst) + (1 | person)
fit <- lmer(formula, data, control = control)
set.seed(20261123)
Y <- as.matrix(simulate(fit, nsim = 4))
Y <- round(Y, 6)
refits <- lapply(seq_len(ncol(Y)), function(j) {
  again <- refit(fit, Y[, j])
  data$y <- Y[, j]
  fresh <- lmer(formula, data, control = control)
  list(y = Y[, j], refit_criterion = as.numeric(REMLcrit(again)), refit_sigma2 = sigma(again)^2,
    fresh_criterion = as.numeric(REMLcrit(fresh)), fresh_sigma2 = sigma(fresh)^2, fresh_beta = unname(fixef(fresh)),
    fresh_se = unname(sqrt(diag(as.matrix(vcov(fresh))))),
    fresh_var = unname(sapply(VarCorr(fresh)[c("person", "inst")], function(v) v[1, 1])))
})
small <- lmer(y ~ wave + x + (1 | inst), subset(data, person %in% unique(person)[seq(1, 400, 3)]), control = control)
large <- update(small, . ~ . + arm)
test <- PBmodcomp(large, small, nsim = 2000, seed = 1)
write_json(list(refits = refits, pb = list(statistic = test$test["LRT", "stat"], p_chisq = test$test["LRT", "p.value"],
  p_bootstrap = test$test["PBtest", "p.value"], draws = test$samples[["nsim"]])),
  "refit.json", auto_unbox = TRUE, digits = 17)
