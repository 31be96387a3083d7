"""The files of a new study: a commented study file to fill in, and what belongs around it."""

from __future__ import annotations

import re

from implstats.study.schema import schema_text

_STUDY = """\
# yaml-language-server: $schema=study.schema.json
# The study: what was asked, of whom, and which questions the answers should settle.
# Every line is an example to replace. Names of columns must be those in your files.
# Check it at any time with: implstats check
study:
  name: @NAME@                   # results go to results/@NAME@
  title: Staff survey in three waves
  description: Who was asked, when, and what the study wants to know.
  seed: 20260101                 # everything random starts from here
  # citation: How the data want to be cited.
  # data_licence: What may be done with the raw data.

tables:
  staff:                         # one long table: one row a person and wave
    label: Staff
    person: person_id            # the column that identifies a person across waves
    waves:
      unit: year
      values:
        - {value: 1, time: 0, label: Before}
        - {value: 2, time: 1, label: After one year}
        - {value: 3, time: 2, label: After two years}
    clusters:                    # from the lowest level to the highest
      - {name: institution, variable: institution_id, label: Institution}
    sources:                     # .sav .zsav .por .dta .sas7bdat .xlsx .csv .tsv .txt .parquet
      - {file: data/raw/wave1.sav, wave: 1}
      - {file: data/raw/wave2.sav, wave: 2}
      - file: data/raw/wave3.csv
        wave: 3
        rename: {ID: person_id}          # raw name: name in this study
        user_missing: {"*": [99]}        # codes that mean "no answer"; those inside .sav files are known
    variables:
      age: {label: Age in years, role: predictor, level: person, minimum: 16, maximum: 80}
      profession: {label: Profession, type: category, role: covariate}

scales:
  leadership:
    label: Leadership
    items: [lead1, lead2, lead3, lead4]
    reverse: [lead4]             # items worded the other way round
    minimum: 1                   # range of one answer
    maximum: 5
    score: mean                  # mean or sum
    min_valid: 3                 # fewest answered items for a score
  satisfaction:
    label: Job satisfaction
    items: [sat1, sat2, sat3]
    minimum: 1
    maximum: 5
  # A scale whose key is kept in config/instruments/<name>.yaml needs only this:
  # climate: {label: Climate, instrument: my-instrument, prefix: cl}

# One entry a question. Delete what you do not ask; every type there is stands here once.
questions:
  - name: who-leaves             # participation by wave; leavers against stayers
    type: attrition
    variables: [satisfaction, age]
  - name: differences            # how much do institutions and persons differ?
    type: null_model
    outcome: satisfaction
    clusters: [person, institution]
  - name: change                 # how does it change over the waves?
    type: growth
    outcome: satisfaction
    shape: linear                # linear, quadratic or waves
    predictors: [age]
    moderators: [age]            # predictors that also change the slope
  - name: whose-view             # the person's own view, or that of the institution?
    type: contextual
    outcome: satisfaction
    cluster: institution
    predictors: [leadership]
    coding: within_between       # within_between or contextual
    waves: [1]
  - name: own-model              # any mixed model, in lme4's language
    type: mixed
    formula: satisfaction ~ time + leadership + (1 | institution/person)
  - name: structure              # do the items of each scale measure one thing?
    type: cfa
    scales: [leadership, satisfaction]
    wave: 1
  - name: comparable             # is the scale measured alike at all waves, so that means may be compared?
    type: invariance
    scales: [satisfaction]
  - name: pathways               # a path or structural model, in lavaan's language
    type: path
    wave: 1
    # bootstrap: {draws: 2000, interval: bca}   # for indirect effects such as indirect := a*b
    model: |
      satisfaction ~ leadership + age

outputs:
  tables: [docx, xlsx, html]     # docx xlsx html tex csv
  figures: [svg, png]            # svg pdf png
  min_cell: 5                    # means and shares of fewer persons are not shown

# Numbers in print that this study should reproduce; implstats verify compares them.
# published:
#   - analysis: differences
#     block: icc
#     level: institution
#     quantity: icc
#     value: "0.12"
#     citation: Author (year), table and page
"""

_RAW_README = """\
# Raw files

Put the survey files here, as they were exported, and name them in `config/config.yaml` under `tables`.
Nothing in this folder is ever changed: renaming, missing codes and reversed items are written in the
study file.

These files are about people. Keep names, e-mail addresses, birth dates and free text out of them; a number
for each person is enough. `.gitignore` keeps this folder out of version control, and no output of the
program holds a single person's answers.
"""

_GITIGNORE = """\
# People's answers stay out of version control.
data/raw/*
!data/raw/README.md
data/processed/
results/
.snakemake/
logs/
"""

_README = """\
# @NAME@

    implstats check              # is the study file right, do the raw files agree with it?
    implstats run                # from the raw files to the report, tables and figures
    implstats report             # rebuild report, tables and figures, refitting nothing

Run them in this folder. What is asked stands in `config/config.yaml`, the raw files in `data/raw`; results go
to `results/@NAME@`, with `report.html` to open first.
"""


def slug(text: str) -> str:
    """Return a study name made of small letters, digits and hyphens.

    >>> slug("My Study_2"), slug("2026"), slug("å")
    ('my-study-2', 'study-2026', 'study')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    named = plain if plain[:1].isalpha() else f"study-{plain}".strip("-")
    return named[:60].rstrip("-")


def study_text(name: str) -> str:
    """Return a study file to fill in, valid as it stands."""
    return _STUDY.replace("@NAME@", name)


def new_files(name: str) -> dict[str, str]:
    """Return the text of every file of a new study, by path inside its folder."""
    return {
        "config/config.yaml": study_text(name),
        "config/study.schema.json": schema_text(),
        "data/raw/README.md": _RAW_README,
        ".gitignore": _GITIGNORE,
        "README.md": _README.replace("@NAME@", name),
    }
