# From the results data set to what a person reads.


rule tables:
    input:
        STUDY.dataset(),
    output:
        directory(STUDY.results("tables")),
    log:
        f"{LOGS}/tables.log",
    benchmark:
        f"{LOGS}/tables.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        name=STUDY.name,
        study=STUDY.file,
        code=STUDY.code("tables"),
    message:
        "writing the tables of {params.name}"
    shell:
        "python -m implstats.pipeline tables --study {params.study:q} 2> {log:q}"


rule figures:
    input:
        STUDY.dataset(),
    output:
        report(
            directory(STUDY.results("figures")),
            patterns=["{figure}.png"],
            caption="../report/figure.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/figures.log",
    benchmark:
        f"{LOGS}/figures.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        name=STUDY.name,
        study=STUDY.file,
        code=STUDY.code("figures"),
    message:
        "drawing the figures of {params.name}"
    shell:
        "python -m implstats.pipeline figures --study {params.study:q} 2> {log:q}"


rule report:
    input:
        dataset=STUDY.dataset(),
        tables=STUDY.results("tables"),
        figures=STUDY.results("figures"),
    output:
        report(
            STUDY.results("report.html"),
            caption="../report/report.rst",
            category="Report",
        ),
        STUDY.results("SHA256SUMS"),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{LOGS}/report.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        name=STUDY.name,
        study=STUDY.file,
        code=STUDY.code("report"),
    message:
        "writing the report of {params.name}"
    shell:
        "python -m implstats.pipeline report --study {params.study:q} 2> {log:q}"
