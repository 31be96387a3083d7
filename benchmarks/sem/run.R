# Answers one case with lavaan: argument 1 the case's folder. One line on stdin asks, one line of JSON answers
# (see worker.py); sums and maxima of what was found are there to be compared.
suppressPackageStartupMessages(library(lavaan))
memory <- function(name) as.numeric(gsub("[^0-9]", "", grep(name, readLines("/proc/self/status"), value = TRUE))) / 1024
loaded <- memory("VmRSS")
folder <- commandArgs(TRUE)[1]
data <- read.csv(file.path(folder, "data.csv"))
model <- paste(readLines(file.path(folder, "model.txt")), collapse = "\n")
case <- readLines(file.path(folder, "case.json"), warn = FALSE)
is_case <- function(word) grepl(paste0('"', word, '"'), case, fixed = TRUE)
task <- Filter(is_case, c("fit", "ladder", "bootstrap", "two-level", "modification", "residuals", "scores"))[1]
estimator <- Filter(is_case, c("MLR", "MLM", "WLSMV", "ML"))[1]
missing <- Filter(is_case, c("fiml", "listwise"))[1]

fit <- function(...) {
  if (estimator == "WLSMV") cfa(model, data, ordered = names(data), estimator = estimator, ...)
  else if (task == "two-level") sem(model, data, cluster = "cl", ...)
  else sem(model, data, estimator = estimator, missing = missing, ...)
}
tests <- function(f) { m <- fitMeasures(f); m[intersect(c("chisq", "chisq.scaled"), names(m))] }
chisq <- function(f) { t <- f@test; c(chisq = t[[1]]$stat, chisq.scaled = if (length(t) > 1) t[[2]]$stat) }
errors <- function(f) sum(standardizedSolution(f)$se, na.rm = TRUE)
climb <- function() {
  steps <- list("", "loadings", c("loadings", "intercepts"), c("loadings", "intercepts", "residuals"))
  fits <- lapply(steps, function(s) cfa(model, data, group = "school", group.equal = s, estimator = estimator))
  do.call(lavTestLRT, fits)
  fits
}
everything <- function() {
  fits <- if (task == "ladder") climb() else list(fit())
  found <- lapply(fits, tests)
  c(found[[length(found)]], se = sum(sapply(fits, errors)))
}
answers <- list(fit = function() chisq(fit()), all = everything)
if (task == "ladder") answers$fit <- function() chisq(climb()[[4]])
if (task == "bootstrap") {
  draws <- as.integer(sub('.*"draws": *([0-9]+).*', "\\1", case))
  start <- fit(se = "none", test = "none", baseline = FALSE)
  answers <- list(fit = function() {
    set.seed(1)
    c(sd = mean(apply(bootstrapLavaan(start, R = draws, FUN = coef), 2, sd)))
  })
}
if (task %in% c("modification", "residuals", "scores")) {
  f <- fit()
  answers <- list(fit = switch(task,
    modification = function() c(value = max(modindices(f)$mi)),
    residuals = function() c(value = max(abs(residuals(f, type = "standardized")$cov))),
    scores = function() c(value = sum(abs(lavPredict(f, se = "standard"))))))
}
as_json <- function(x) paste0("{", paste0('"', names(x), '": ', vapply(x, format, "", digits = 15), collapse = ", "), "}")
input <- file("stdin", "r")
cat("ready\n"); flush(stdout())
while ((what <- readLines(input, n = 1)) != "end") {
  begin <- Sys.time()
  found <- if (is.null(answers[[what]])) NULL else answers[[what]]()
  seconds <- as.numeric(difftime(Sys.time(), begin, units = "secs"))
  if (is.null(found)) cat('{"failed": "not asked of it"}\n')
  else cat(sprintf('{"seconds": %.6f, "values": %s}\n', seconds, as_json(as.list(found))))
  flush(stdout())
}
cat(sprintf('{"loaded": %.1f, "peak": %.1f}\n', loaded, memory("VmHWM")))
