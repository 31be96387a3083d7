# Rotations of given loadings, to the optimiser's limit (stats, GPArotation 2022.10-2).
# Run in this folder: Rscript rotation.R
suppressPackageStartupMessages({library(GPArotation); library(jsonlite)})
L <- as.matrix(fromJSON("rotation_input.json"))
m <- function(x) unname(unclass(x))
tight <- varimax(L, normalize = TRUE, eps = 1e-16)
V <- L %*% tight$rotmat
p <- promax(V, m = 4)
U <- p$rotmat
out <- list(varimax = m(V), promax = list(loadings = m(V %*% U), phi = m(solve(t(U) %*% U))))
o <- oblimin(L, eps = 1e-12, maxit = 1e5); out$oblimin <- list(loadings = m(o$loadings), phi = m(o$Phi))
g <- geominQ(L, eps = 1e-12, maxit = 1e5); out$geomin <- list(loadings = m(g$loadings), phi = m(g$Phi))
write_json(out, "rotation.json", digits = I(17))
