# From raw survey files to the report of one study.
#
#   snakemake --cores all                                             the default study, config/config.yaml
#   snakemake --cores all --configfile config/studies/NAME.yaml       another study
#
# Each rule calls one stage of the library: python -m implstats.pipeline STAGE. The rules only connect.

from snakemake.utils import min_version

min_version("9.0")

if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"  # the study, its paths and digests
include: "workflow/rules/data.smk"  # ingest, score
include: "workflow/rules/models.smk"  # fit, second_opinion, collect
include: "workflow/rules/report.smk"  # tables, figures, report


localrules:
    all,


rule all:
    default_target: True
    input:
        STUDY.results("report.html"),
        STUDY.results("SHA256SUMS"),
