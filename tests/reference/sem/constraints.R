# Models with ==, < and > in lavaan 0.6-14: lavaan's optimum, then Newton on the Lagrangian with lavaan's own
# gradient and constraint functions, and the standard errors of the information bordered by the constraints.
# Run: Rscript constraints.R      (R 4.2.2, lavaan 0.6-14, jsonlite; reads data/hs1939.csv.gz beside it)
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
options(digits = 17, warn = 1)
hs <- read.csv("data/hs1939.csv.gz")
base <- "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + d*x6\nspeed =~ x7 + e*x8 + g*x9\n"
jacobian <- function(f, x) sapply(seq_along(x), function(j) {
  h <- replace(0 * x, j, 1e-5); (f(x + h) - f(x - h)) / 2e-5 })
polish <- function(fit, con) {
  model <- fit@Model
  gradient <- function(x) {
    m <- lavaan:::lav_model_set_parameters(model, x)
    as.numeric(lavaan:::lav_model_gradient(m, GLIST = m@GLIST, lavsamplestats = fit@SampleStats, lavdata = fit@Data,
      lavcache = fit@Cache, type = "free"))
  }
  slope <- function(x) matrix(lavaan:::lav_func_jacobian_complex(con, x), ncol = length(x))
  x <- lavaan:::lav_model_get_parameters(model, type = "free")
  multiplier <- qr.solve(t(slope(x)), -gradient(x))
  for (step in 1:8) {
    C <- slope(x); m <- nrow(C)
    H <- jacobian(function(z) gradient(z) + drop(t(slope(z)) %*% multiplier), x)
    new <- solve(rbind(cbind((H + t(H)) / 2, t(C)), cbind(C, matrix(0, m, m))), -c(gradient(x), con(x)))
    x <- x + new[seq_along(x)]; multiplier <- new[-seq_along(x)]
  }
  list(x = x, C = slope(x), gradient = max(abs(gradient(x) + drop(t(slope(x)) %*% multiplier))), con = max(abs(con(x))))
}
one <- function(name, constraints, con, ...) {
  text <- paste0(base, constraints)
  fit <- cfa(text, hs, ...)
  best <- polish(fit, con)
  free <- cfa(base, hs, ..., start = best$x, optim.method = "none", optim.force.converged = TRUE)
  information <- lavInspect(free, "information.expected"); q <- length(best$x); m <- nrow(best$C)
  inverse <- solve(rbind(cbind(information, t(best$C)), cbind(best$C, matrix(0, m, m))))[1:q, 1:q]
  out <- list(meta = list(lavaan = as.character(packageVersion("lavaan")), constraints = constraints, gradient = best$gradient,
      departure = best$con), names = names(coef(free)), est = best$x, se = sqrt(pmax(diag(inverse), 0) / nobs(free)),
    chisq = fitMeasures(free, "chisq")[[1]], df = fitMeasures(fit, "df")[[1]], npar = fitMeasures(fit, "npar")[[1]],
    lavaan_se = unname(sqrt(diag(vcov(fit)))), lavaan_est = unname(coef(fit)))
  cat(sprintf("%-12s df=%d chisq=%.9f (lavaan %.9f) gradient %.1e departure %.1e, se %.1e\n", name, as.integer(out$df), out$chisq,
    fitMeasures(fit, "chisq"), best$gradient, best$con, max(abs(out$se - out$lavaan_se))))
  out
}
# Positions in coef(): a b c d e g are 1 to 6.
all <- list(
  linear = one("linear", "a + b == 1.5\nc == d", function(x) c(x[1] + x[2] - 1.5, x[3] - x[4])),
  product = one("product", "a*b == 0.4", function(x) x[1] * x[2] - 0.4),
  mixed = one("mixed", "p := a*b\np == 0.4\nc == d\nexp(e) == g + 2.1", function(x) c(x[1] * x[2] - 0.4, x[3] - x[4], exp(x[5]) - x[6] - 2.1)),
  active = one("active", "a > 0.7", function(x) x[1] - 0.7),
  inactive = one("inactive", "a > 0.1\nb < 3\na == b", function(x) x[1] - x[2]))
writeLines(toJSON(all, digits = I(17), auto_unbox = TRUE, null = "null", na = "null"), "constraints.json")
