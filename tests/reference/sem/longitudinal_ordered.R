# The ladder of invariance over three waves of ordered answers: lavaan 0.6-14 with the models of semTools'
# measEq.syntax after Wu & Estabrook (2016). Run in this folder: Rscript longitudinal_ordered.R
suppressMessages({ library(lavaan); library(semTools); library(jsonlite) })
d <- read.csv(gzfile("data/waves_ordered.csv.gz"))
waves <- 1:3
names <- lapply(letters[1:4], function(i) paste0(i, waves))
names(names) <- letters[1:4]
model <- paste0("f", waves, " =~ ", sapply(waves, function(w) paste0(letters[1:4], w, collapse = " + ")), collapse = "\n")
equal <- list(configural = character(), thresholds = "thresholds", metric = c("thresholds", "loadings"),
              scalar = c("thresholds", "loadings", "intercepts"),
              strict = c("thresholds", "loadings", "intercepts", "residuals"))
fits <- lapply(equal, function(what) {
  text <- suppressWarnings(measEq.syntax(
    configural.model = model, data = d, ordered = names(d), parameterization = "theta", ID.fac = "std.lv",
    ID.cat = "Wu.Estabrook.2016", longFacNames = list(f = paste0("f", waves)), longIndNames = names,
    long.equal = what, auto = "all"))
  lavaan(as.character(text), d, ordered = names(d), parameterization = "theta", estimator = "WLSMV")
})
steps <- lapply(fits, function(f) as.list(fitMeasures(f, c("chisq", "chisq.scaled", "df", "cfi.scaled", "srmr"))))
tests <- lapply(2:length(fits), function(k) {
  t <- lavTestLRT(fits[[k - 1]], fits[[k]], method = "satorra.2000")
  list(chisq = t[2, "Chisq diff"], df = t[2, "Df diff"], p = t[2, "Pr(>Chisq)"])
})
names(tests) <- names(fits)[-1]
write(toJSON(list(steps = steps, differences = tests), auto_unbox = TRUE, digits = 17, pretty = TRUE),
      "longitudinal_ordered.json")
