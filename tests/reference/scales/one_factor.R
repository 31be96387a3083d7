# One-factor omega by lavaan and semTools, agreement with missing answers by multilevel.
# Run in this folder: Rscript one_factor.R; writes one_factor.json and agreement_missing.json.
suppressPackageStartupMessages({library(lavaan); library(semTools); library(multilevel); library(jsonlite)})
lq <- read.csv("../../../data/raw/leadership-climate/lq2002.csv")
hs <- read.csv("hs1939_items.csv")
tight <- list(rel.tol = 1e-12, iter.max = 10000, eval.max = 20000)
one <- function(d) {
  fit <- cfa(paste("f =~", paste(colnames(d), collapse = " + ")), d, std.lv = TRUE, control = tight)
  e <- lavInspect(fit, "est")
  list(items = colnames(d), loadings = as.vector(e$lambda), residual_variances = as.vector(diag(e$theta)),
       omega_model = as.vector(compRelSEM(fit, obs.var = FALSE)),
       omega_observed = as.vector(compRelSEM(fit, obs.var = TRUE)))
}
write_json(list(lead = one(lq[, sprintf("LEAD%02d", 1:11)]), tsig = one(lq[, sprintf("TSIG%02d", 1:3)]),
                hostil = one(lq[, sprintf("HOSTIL%02d", 1:5)]), textual = one(hs[, c("x4", "x5", "x6")])),
           "one_factor.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
# Every 7th answer to TSIG02 is removed and the first soldier made a company of one.
d <- lq; d$TSIG02[seq(7, nrow(d), 7)] <- NA; d$COMPID[1] <- 999
r <- rwg.j(d[, sprintf("TSIG%02d", 1:3)], d$COMPID, ranvar = 2)
score <- rowMeans(d[, sprintf("TSIG%02d", 1:3)], na.rm = TRUE)
m <- aov(score ~ as.factor(d$COMPID)); a <- summary(m)[[1]]
l <- rwg.j.lindell(d[, sprintf("TSIG%02d", 1:3)], d$COMPID, ranvar = 2)
ad <- ad.m(lq[, sprintf("TSIG%02d", 1:3)], lq$COMPID)
u <- read.csv("../../../data/raw/readiness-waves/univbct.csv"); w <- u[!duplicated(u$SUBNUM), ]
w$UNIT <- paste(w$BTN, w$COMPANY); j <- aov(JOBSAT1 ~ as.factor(UNIT), w)
write_json(list(rwgj_mean = mean(r$rwg.j, na.rm = TRUE), rwgj_first = head(r$rwg.j, 3), n_first = head(r$gsize, 3), n_rwgj = sum(!is.na(r$rwg.j)),
                lindell_first = head(l$rwg.lindell, 3), ad_first = head(ad$AD.M, 3),
                icc1 = ICC1(m), icc2 = ICC2(m), f = a[1, 4], df1 = a[1, 1], df2 = a[2, 1], p = a[1, 5],
                univbct_jobsat1 = list(icc1 = ICC1(j), icc2 = ICC2(j))),
           "agreement_missing.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
