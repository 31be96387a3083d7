# glmer (lme4) and clmm (ordinal) on the models of generalised.py. Called with the folder of the data; reads a model's
# name from standard input, fits it once with default settings, and answers with seconds of processor time and log-likelihood.
suppressPackageStartupMessages({library(lme4); library(ordinal)})
folder <- commandArgs(trailingOnly = TRUE)[1]
cb <- read.csv(file.path(folder, "cbpp.csv")); cb$period <- factor(cb$period)
s <- read.csv(file.path(folder, "sim_glmm_12inst.csv")); s$yo <- factor(s$yo, ordered = TRUE)
w <- read.csv(file.path(folder, "wine.csv")); w$rating <- factor(w$rating, ordered = TRUE)
g <- read.csv(file.path(folder, "grouseticks.csv")); g$YEAR <- factor(g$YEAR); g$cHEIGHT <- g$HEIGHT - mean(g$HEIGHT)
large <- read.csv(file.path(folder, "large.csv"))
b <- yb ~ wave + arm + x + (1 | person); b3 <- yb ~ wave + arm + x + (1 | inst) + (1 | person)
models <- list(
  cbpp = function() glmer(cbind(incidence, fail) ~ period + (1 | herd), cb, binomial()),
  binary = function() glmer(b, s, binomial()),
  binary_agq15 = function() glmer(b, s, binomial(), nAGQ = 15),
  binary_probit = function() glmer(yb ~ wave + arm + x + (1 | inst), s, binomial("probit")),
  binary_slope = function() glmer(yb ~ wave + arm + x + (wave | inst), s, binomial()),
  binary_three_level = function() glmer(b3, s, binomial()),
  poisson_three_level = function() glmer(yc ~ wave + arm + x + (1 | inst) + (1 | person), s, poisson()),
  grouseticks = function() glmer(TICKS ~ YEAR + cHEIGHT + (1 | LOCATION) + (1 | BROOD) + (1 | INDEX), g, poisson()),
  nbinom = function() glmer.nb(ynb ~ wave + arm + x + (1 | inst), s),
  wine = function() clmm(rating ~ temp + contact + (1 | judge), data = w),
  ordinal = function() clmm(yo ~ wave + arm + x + (1 | person), data = s),
  ordinal_agq10 = function() clmm(yo ~ wave + arm + x + (1 | person), data = s, nAGQ = 10),
  ordinal_three_level = function() clmm(yo ~ wave + arm + x + (1 | inst) + (1 | person), data = s),
  binary_large = function() glmer(yb ~ wave + x + (1 | person), large, binomial()),
  binary_three_level_large = function() glmer(yb ~ wave + x + (1 | inst) + (1 | person), large, binomial())
)
input <- file("stdin", "r")
while (length(name <- readLines(input, n = 1)) > 0) {
  start <- sum(proc.time()[1:2])
  fit <- suppressMessages(suppressWarnings(models[[name]]()))
  cat(sprintf("%.6f %.17g\n", sum(proc.time()[1:2]) - start, as.numeric(logLik(fit)))); flush(stdout())
}
