# The analyses of config/studies/leadership-climate.yaml, done with R's packages.
#
#   Rscript benchmarks/study1/analysis.R data/raw/leadership-climate/lq2002.csv out.json
#
# Writes one record for each number, under the address that our results data set uses, in full precision, with
# the seconds spent on loading libraries and on computing, and the packages' versions.

begin <- proc.time()[["elapsed"]]
suppressPackageStartupMessages({
  library(psych); library(multilevel); library(lme4); library(lmerTest); library(pbkrtest); library(lavaan)
  library(jsonlite)
})
loaded <- proc.time()[["elapsed"]]

arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) != 2) stop("usage: Rscript analysis.R DATA.csv OUT.json")

records <- list()
put <- function(analysis, quantity, value, block = "", term = "", level = "", field = "estimate") {
  records[[length(records) + 1]] <<- list(analysis = analysis, block = block, term = term, level = level,
                                          quantity = quantity, field = field, value = unname(value))
}

data <- read.csv(arguments[1])
scales <- list(leadership = sprintf("LEAD%02d", 1:11), significance = sprintf("TSIG%02d", 1:3),
               hostility = sprintf("HOSTIL%02d", 1:5))
for (name in names(scales)) data[[name]] <- rowMeans(data[scales[[name]]])
data$company <- factor(data$COMPID)

# ---- scales: description, reliability, items ----
describe_scale <- function(name) {
  items <- data[scales[[name]]]
  put("scales", "mean", mean(data[[name]]), "description", name)
  put("scales", "sd", sd(data[[name]]), "description", name)
  found <- suppressWarnings(psych::alpha(items, check.keys = FALSE))
  put("scales", "alpha", found$total$raw_alpha, "reliability", name)
  for (item in scales[[name]]) {
    put("scales", "item_mean", found$item.stats[item, "mean"], "items", item, name)
    put("scales", "item_sd", found$item.stats[item, "sd"], "items", item, name)
    put("scales", "item_rest_correlation", found$item.stats[item, "r.drop"], "items", item, name)
    put("scales", "alpha_if_dropped", found$alpha.drop[item, "raw_alpha"], "items", item, name)
  }
  one <- cfa(paste("f =~", paste(scales[[name]], collapse = " + ")), data, std.lv = TRUE)
  estimates <- lavInspect(one, "est")
  common <- sum(estimates$lambda)^2
  put("scales", "omega_total", common / (common + sum(diag(estimates$theta))), "reliability", name)
}
for (name in names(scales)) describe_scale(name)

# ---- aggregation: do companies agree? ----
agreement <- function(name) {
  items <- data[scales[[name]]]
  categories <- 5
  table <- summary(aov(data[[name]] ~ data$company))[[1]]
  fit <- aov(data[[name]] ~ data$company)
  put("aggregation", "icc1", ICC1(fit), name, "", "company")
  put("aggregation", "icc1", table[1, "F value"], name, "", "company", "statistic")
  put("aggregation", "icc2", ICC2(fit), name, "", "company")
  put("aggregation", "eta_between", sqrt(table[1, "Sum Sq"] / sum(table[, "Sum Sq"])), name, "", "company")
  agree <- rwg.j(items, data$company, ranvar = (categories^2 - 1) / 12)$rwg.j
  put("aggregation", "rwgj_mean", mean(agree), name, "", "company")
  put("aggregation", "rwgj_median", median(agree), name, "", "company")
  put("aggregation", "rwgj_min", min(agree), name, "", "company")
  put("aggregation", "rwgj_max", max(agree), name, "", "company")
  put("aggregation", "share_rwgj_70", mean(agree >= 0.7), name, "", "company")
}
for (name in names(scales)) agreement(name)

# ---- correlations ----
for (pair in combn(names(scales), 2, simplify = FALSE)) {
  found <- cor.test(data[[pair[1]]], data[[pair[2]]])
  term <- paste(pair, collapse = " ~~ ")
  put("correlations", "correlation", found$estimate, "soldiers", term)
  put("correlations", "correlation", found$conf.int[1], "soldiers", term, field = "conf_low")
  put("correlations", "correlation", found$conf.int[2], "soldiers", term, field = "conf_high")
}

# ---- mixed models, Kenward-Roger ----
put_mixed <- function(analysis, formula) {
  fit <- lmerTest::lmer(formula, data, REML = TRUE)
  table <- coef(summary(fit, ddf = "Kenward-Roger"))
  fields <- c(estimate = "Estimate", std_error = "Std. Error", df = "df", statistic = "t value",
              p_value = "Pr(>|t|)")
  for (term in rownames(table)) for (field in names(fields)) {
    put(analysis, "coefficient", table[term, fields[[field]]], "fixed", term, field = field)
  }
  company <- VarCorr(fit)$company[1, 1]
  residual <- sigma(fit)^2
  put(analysis, "variance", company, "random", "(Intercept)", "company")
  put(analysis, "variance", residual, "random", "", "residual")
  put(analysis, "icc", company / (company + residual), "icc", "", "company")
  reliability <- company / (company + residual / table(data$company))
  put(analysis, "group_mean_reliability", mean(reliability), "icc", "", "company")
  put(analysis, "log_likelihood", as.numeric(logLik(fit)), "fit")
  put(analysis, "aic", AIC(fit), "fit")
  put(analysis, "bic", BIC(fit), "fit")
}
for (name in c("leadership", "significance")) {
  data[[paste0(name, "_company")]] <- ave(data[[name]], data$company)
  data[[paste0(name, "_within")]] <- data[[name]] - data[[paste0(name, "_company")]]
}
put_mixed("hostility-null", hostility ~ 1 + (1 | company))
put_mixed("hostility-context", hostility ~ leadership + leadership_company + significance +
            significance_company + (1 | company))
put_mixed("hostility-within-between", hostility ~ leadership_within + leadership_company +
            significance_within + significance_company + (1 | company))

# ---- structure ----
quantity_of <- function(row) {
  if (row$op == "=~") "loading" else if (row$op == "~") "regression" else if (row$op == ":=") "defined"
  else if (row$lhs == row$rhs) "variance" else "covariance"
}
put_sem <- function(analysis, fit) {
  estimates <- parameterEstimates(fit, standardized = TRUE)
  for (k in seq_len(nrow(estimates))) {
    row <- estimates[k, ]
    term <- paste(row$lhs, row$op, row$rhs)
    put(analysis, quantity_of(row), row$est, "parameters", term)
    if (row$se > 0) put(analysis, quantity_of(row), row$se, "parameters", term, field = "std_error")
    put(analysis, "std_all", row$std.all, "standardised", term)
  }
  names <- c("chisq", "df", "pvalue", "cfi", "tli", "rmsea", "srmr", "logl", "aic", "bic")
  found <- fitMeasures(fit, names)
  for (name in names) put(analysis, name, found[[name]], "fit")
}
factor_line <- function(name) paste(name, "=~", paste(scales[[name]], collapse = " + "))
items_only <- data[unlist(scales)]
put_sem("measurement", cfa(paste(sapply(names(scales), factor_line), collapse = "\n"), items_only))
for (name in c("leadership", "hostility")) {
  put_sem(paste0("measurement-alone:", name), cfa(factor_line(name), items_only))
}
put_sem("pathways", sem("
  significance ~ a * leadership
  hostility ~ b * significance + c * leadership
  indirect := a * b
  total := c + a * b
", data))

finished <- proc.time()[["elapsed"]]
packages <- c("psych", "multilevel", "lme4", "lmerTest", "pbkrtest", "lavaan", "Matrix")
write_json(list(
  records = records,
  startup_seconds = loaded - begin,
  compute_seconds = finished - loaded,
  versions = c(list(R = as.character(getRversion())), lapply(setNames(packages, packages), function(p)
    as.character(packageVersion(p)))),
  blas = extSoftVersion()[["BLAS"]]
), arguments[2], digits = NA, auto_unbox = TRUE, na = "null")
