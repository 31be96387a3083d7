# Reference values for least squares and shifted tests in groups, with random predictors and with an ordered
# mediator (lavaan 0.6-14), polished by lavaan's Gauss-Newton; groups are not, because its steps weigh groups by
# n and its criterion by n - 1, so that they end elsewhere. Run in this folder: Rscript least_squares.R
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
hs <- read.csv("data/hs1939.csv.gz"); med <- read.csv("data/mediation_n250.csv.gz"); bfi <- read.csv("data/bfi_a5_cov.csv.gz"); b600 <- read.csv("data/bfi_an10_n600.csv.gz")
bfi <- bfi[1:700,]
gauss <- function(ex) { fit <- eval(ex)
  ex$optim.method <- "GN"; ex$start <- fit
  for (tol in c(1e-13, 1e-11, 1e-9)) { ex$optim.gn.tol.x <- tol
    g <- tryCatch(suppressWarnings(eval(ex)), error = function(e) NULL)
    if (!is.null(g) && lavInspect(g, "converged")) { cat("GN", tol, "\n"); return(g) } }
  cat("nlminb only\n"); fit }
out <- list()
keep <- function(name, fit) { p <- parameterEstimates(fit, standardized = TRUE)
  out[[name]] <<- list(parameters = as.list(p[, intersect(names(p), c("lhs", "op", "rhs", "group", "est", "se", "std.all"))]), fit = as.list(unclass(fitMeasures(fit)))) }
three <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
scalar <- c("loadings", "intercepts")
keep("groups_gls", cfa(three, hs, group = "school", group.equal = scalar, estimator = "GLS"))
keep("groups_wls", cfa(three, hs, group = "school", group.equal = scalar, estimator = "WLS"))
keep("groups_dwls", cfa(three, hs, group = "school", group.equal = scalar, estimator = "DWLS"))
keep("groups_uls", cfa(three, hs, group = "school", group.equal = scalar, estimator = "ULS"))
keep("groups_mlmv", cfa(three, hs, group = "school", group.equal = scalar, estimator = "MLMV"))
path <- "M1 ~ X + C\nM2 ~ X + C\nY ~ M1 + M2 + X"
keep("path_gls", gauss(quote(sem(path, med, estimator = "GLS", fixed.x = FALSE))))
keep("path_wls", gauss(quote(sem(path, med, estimator = "WLS", fixed.x = FALSE))))
mediator <- "A =~ A2 + A3 + A5\nA4 ~ A + age\nA1 ~ A4 + age"
five <- paste0("A", 1:5)
keep("mediator_theta", gauss(quote(sem(mediator, bfi, ordered = five, estimator = "WLSMV", parameterization = "theta"))))
two <- "A =~ A1 + A2 + A3 + A4 + A5\nN =~ N1 + N2 + N3 + N4 + N5"
an <- c(five, paste0("N", 1:5))
keep("ordinal_wls", gauss(quote(cfa("A =~ A1 + A2 + A3 + A4 + A5", bfi, ordered = five, estimator = "WLS"))))
keep("ordinal_wlsmvs", gauss(quote(cfa(two, b600, ordered = an, estimator = "WLSMVS"))))
keep("ordinal_stdlv", gauss(quote(cfa(two, b600, ordered = an, estimator = "WLSMV", std.lv = TRUE))))
write_json(out, "least_squares.json", digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
