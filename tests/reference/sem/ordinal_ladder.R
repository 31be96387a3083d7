# Reference values for the ladder of invariance of ordered items after Wu & Estabrook (lavaan 0.6-14, semTools 0.5-6).
# Run in this folder: Rscript ordinal_ladder.R
suppressPackageStartupMessages({library(lavaan); library(semTools); library(jsonlite); library(psych)})
data(bfi); it <- c("A2","A3","A4","A5","E1","E2","E4","E5"); b <- bfi[complete.cases(bfi[,c(it,"gender")]), c(it,"gender")]
set.seed(9); b <- b[sort(sample(nrow(b), 900)),]
write.csv(b, gzfile("data/bfi_ae8_gender.csv.gz"), row.names=FALSE)
mo <- 'a =~ A2 + A3 + A4 + A5
e =~ E1 + E2 + E4 + E5'
L <- list(configural="", thresholds="thresholds", metric=c("thresholds","loadings"), scalar=c("thresholds","loadings","intercepts"), strict=c("thresholds","loadings","intercepts","residuals"), means=c("thresholds","loadings","intercepts","residuals","means"))
of <- list(); out <- list()
for (l in names(L)) { sx <- as.character(measEq.syntax(mo, data=b, ordered=it, parameterization="theta", ID.fac="std.lv", ID.cat="Wu.Estabrook.2016", group="gender", group.equal=L[[l]]))
  f <- cfa(sx, b, group="gender", ordered=it, parameterization="theta", estimator="WLSMV")
  f <- cfa(sx, b, group="gender", ordered=it, parameterization="theta", estimator="WLSMV", start=f, optim.method="GN", optim.gn.tol.x=1e-13)
  of[[l]] <- f; p <- parameterEstimates(f)
  cat(l, f@optim$converged, fitMeasures(f,c("chisq","df","npar","chisq.scaled")), "\n")
  out[[l]] <- list(syntax=sx, equal=L[[l]], parameters=as.list(p[,c("lhs","op","rhs","group","est","se")]), fit=as.list(unclass(fitMeasures(f)))) }
lrt2 <- lapply(2:length(of), function(k) { z <- tryCatch(lavTestLRT(of[[k-1]], of[[k]], method="satorra.2000"), error=function(e) NULL); if(is.null(z)) NULL else c(z[2,"Chisq diff"], z[2,"Df diff"], z[2,"Pr(>Chisq)"]) })
write_json(list(lavaan=as.character(packageVersion("lavaan")), semTools=as.character(packageVersion("semTools")), steps=out, difference=lrt2), "ordinal_ladder.json", digits=I(17), auto_unbox=TRUE, na="null", null="null")
