# From scored tables to the results data set.


rule fit:
    input:
        scored=STUDY.path("scored", "{table}"),
    output:
        rows=STUDY.path("part", "fit", "{table}"),
        notes=STUDY.path("part_notes", "fit", "{table}"),
    log:
        f"{LOGS}/fit-{{table}}.log",
    benchmark:
        f"{LOGS}/fit-{{table}}.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        study=STUDY.file,
        asked=lambda w: STUDY.asked("fit", w.table),
        code=STUDY.code("fit"),
    message:
        "fitting the models on table {wildcards.table}"
    shell:
        "python -m implstats.pipeline fit --study {params.study:q} --table {wildcards.table} 2> {log:q}"


rule second_opinion:
    input:
        scored=STUDY.path("scored", "{table}"),
    output:
        rows=STUDY.path("part", "second-opinion", "{table}"),
        notes=STUDY.path("part_notes", "second-opinion", "{table}"),
    log:
        f"{LOGS}/second-opinion-{{table}}.log",
    benchmark:
        f"{LOGS}/second-opinion-{{table}}.benchmark.tsv"
    # Started before fit: loading the other engines is the longest wait of a small study.
    priority: 10
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        study=STUDY.file,
        asked=lambda w: STUDY.asked("second-opinion", w.table),
        code=STUDY.code("second-opinion"),
    message:
        "asking other engines about table {wildcards.table}"
    shell:
        "python -m implstats.pipeline second-opinion --study {params.study:q} --table {wildcards.table} 2> {log:q}"


rule collect:
    input:
        notes=expand(STUDY.path("ingest_notes", "{table}"), table=STUDY.tables),
        parts=expand(
            STUDY.path("part", "{stage}", "{table}"),
            stage=["score", "fit", "second-opinion"],
            table=STUDY.tables,
        ),
    output:
        report(
            STUDY.results("results.csv"),
            caption="../report/results.rst",
            category="Results data set",
        ),
        [file for file in STUDY.dataset() if not file.endswith("results.csv")],
    log:
        f"{LOGS}/collect.log",
    benchmark:
        f"{LOGS}/collect.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        name=STUDY.name,
        study=STUDY.file,
        asked=STUDY.asked("collect"),
        code=STUDY.code("collect"),
    message:
        "writing the results data set of {params.name}"
    shell:
        "python -m implstats.pipeline collect --study {params.study:q} 2> {log:q}"
