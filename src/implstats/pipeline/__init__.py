"""Who hands what to whom: paths and one function a stage; no arithmetic and no snakemake."""
