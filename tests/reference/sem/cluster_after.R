# What follows from a cluster-robust fit of lq2002: difference tests and standardised values with errors.
# Run in tests/reference/sem: Rscript cluster_after.R (lavaan 0.6-14).
library(lavaan)
data <- read.csv(if (file.exists("data/lq2002.csv")) "data/lq2002.csv" else gzfile("data/lq2002.csv.gz"))
free <- "LEAD =~ LEAD01 + LEAD02 + LEAD03 + LEAD04 + LEAD05
TSIG =~ TSIG01 + TSIG02 + TSIG03
TSIG ~ b*LEAD"
zero <- sub("b[*]LEAD", "0.4*LEAD", free)
one <- sem(free, data, cluster = "COMPID", estimator = "MLR")
two <- sem(zero, data, cluster = "COMPID", estimator = "MLR")
test <- function(method) {
  t <- lavTestLRT(one, two, method = method)
  list(chisq = t[2, "Chisq diff"], df = t[2, "Df diff"])
}
z <- standardizedSolution(one)
out <- list(
  free = free, zero = zero,
  "satorra.bentler.2001" = test("satorra.bentler.2001"),
  "satorra.bentler.2010" = test("satorra.bentler.2010"),
  wald = lavTestWald(one, "b == 0.4")[c("stat", "df")],
  standardised = as.list(z[z$op != "~1", c("lhs", "op", "rhs", "est.std", "se")])
)
writeLines(jsonlite::toJSON(out, digits = 17, auto_unbox = TRUE), "cluster_after.json")
print(test("satorra.2000"))
