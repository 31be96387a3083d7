# lme4, lmerTest and (where asked) pbkrtest on one cell of the grid, timed. Called by run.py with: folder, repeats
# of lmer, repeats of lmerTest, whether to run Kenward-Roger. Prints one line of JSON.
suppressMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
counts <- as.integer(arguments[2:4])
column <- function(name) {
  file <- file.path(folder, paste0(name, ".bin"))
  readBin(file, "double", n = file.size(file) / 8)
}
data <- data.frame(y = column("y"), wave = column("wave"), x = column("x"), arm = column("arm"),
                   person = as.integer(column("person")), inst = as.integer(column("inst")))
models <- readLines(file.path(folder, "models.txt"))
quiet <- function(work) suppressMessages(suppressWarnings(work))
timed <- function(work, repeats) {
  if (nrow(data) <= 5000) quiet(work())
  median(replicate(repeats, {
    begin <- Sys.time()
    quiet(work())
    as.numeric(difftime(Sys.time(), begin, units = "secs"))
  }))
}
peak <- function() {  # MB, from the kernel's own high-water mark
  line <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024 / 1e6
}
number <- function(x) if (is.na(x)) "null" else sprintf("%.17g", x)
lmer_seconds <- criterion <- numeric(length(models))
for (i in seq_along(models)) {
  formula <- as.formula(models[i])
  lmer_seconds[i] <- timed(function() fit <<- lme4::lmer(formula, data), counts[1])
  criterion[i] <- REMLcrit(fit)
}
peak_mb <- peak()
suppressMessages(library(lmerTest))
test_seconds <- kr_seconds <- rep(NA_real_, length(models))
for (i in seq_along(models)) {
  formula <- as.formula(models[i])
  test_seconds[i] <- timed(function() summary(lmerTest::lmer(formula, data)), counts[2])
  if (counts[3] > 0) {
    kr_seconds[i] <- timed(function() summary(lmerTest::lmer(formula, data), ddf = "Kenward-Roger"), 1)
  }
}
rows <- sprintf('{"lmer": %s, "lmerTest": %s, "kenward_roger": %s, "criterion": %s}',
                sapply(lmer_seconds, number), sapply(test_seconds, number), sapply(kr_seconds, number),
                sapply(criterion, number))
versions <- sprintf('"%s": "%s"', c("R", "lme4", "lmerTest", "pbkrtest"),
                    c(paste(R.version$major, R.version$minor, sep = "."),
                      sapply(c("lme4", "lmerTest", "pbkrtest"), function(p) as.character(packageVersion(p)))))
cat(sprintf('{"rows": [%s], "peak_mb": %s, "versions": {%s}}\n', paste(rows, collapse = ", "), number(peak_mb),
            paste(versions, collapse = ", ")))
