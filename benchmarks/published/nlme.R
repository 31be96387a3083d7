# Which of two sets of variances is the better optimum: the one printed by nlme, or ours?
# Rscript benchmarks/published/nlme.R   (from the project folder; needs lme4 and nlme)
suppressMessages({ library(lme4); library(nlme) })
options(digits = 12)
show <- function(file, outcome, cluster, printed, ours) {
  d <- read.csv(file)
  d <- d[!is.na(d[[outcome]]), ]
  bars <- as.formula(sprintf("%s ~ 1 + (1 | %s)", outcome, cluster))
  tight <- lmer(bars, d, control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
  plain <- lme(as.formula(paste(outcome, "~ 1")), random = as.formula(paste("~ 1 |", cluster)), data = d)
  criterion <- lmer(bars, d, devFunOnly = TRUE)
  at <- function(v) criterion(sqrt(v[1] / v[2]))
  cat(outcome, "\n lme4, tight:", as.data.frame(VarCorr(tight))$vcov, "\n nlme:       ",
      as.numeric(VarCorr(plain)[, 1]), "\n criterion at the printed values minus at ours:", at(printed) - at(ours), "\n")
}
show("data/raw/readiness-waves/univbct.csv", "JSAT", "SUBNUM", c(.4337729, .4319055), c(.4337712667, .4319060732))
show("data/raw/work-hours/bh1996.csv", "WBEING", "GRP", c(.03580079, .78949727), c(.03580077476, .7894972741))
