# From raw files to scored tables.


rule ingest:
    input:
        raw=lambda w: STUDY.raw_files(w.table),
    output:
        long=STUDY.path("long", "{table}"),
        codebook=STUDY.path("codebook", "{table}"),
        notes=STUDY.path("ingest_notes", "{table}"),
    log:
        f"{LOGS}/ingest-{{table}}.log",
    benchmark:
        f"{LOGS}/ingest-{{table}}.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        study=STUDY.file,
        asked=lambda w: STUDY.asked("ingest", w.table),
        code=STUDY.code("ingest"),
    message:
        "reading the raw files of table {wildcards.table}"
    shell:
        "python -m implstats.pipeline ingest --study {params.study:q} --table {wildcards.table} 2> {log:q}"


rule score:
    input:
        long=STUDY.path("long", "{table}"),
    output:
        scored=STUDY.path("scored", "{table}"),
        rows=STUDY.path("part", "score", "{table}"),
        notes=STUDY.path("part_notes", "score", "{table}"),
    log:
        f"{LOGS}/score-{{table}}.log",
    benchmark:
        f"{LOGS}/score-{{table}}.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        study=STUDY.file,
        asked=lambda w: STUDY.asked("score", w.table),
        code=STUDY.code("score"),
    message:
        "scoring the scales of table {wildcards.table}"
    shell:
        "python -m implstats.pipeline score --study {params.study:q} --table {wildcards.table} 2> {log:q}"
