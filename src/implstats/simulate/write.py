"""Write a synthetic study: one .sav a wave, the supervisor file, a README and the truth.

Every file goes to a temporary name first and is then put in place, so a broken run leaves no half file.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from implstats.errors import UsageError
from implstats.results.files import replacing, write_text
from implstats.simulate.study import SUPERVISOR_YEAR, SyntheticStudy

NOMINAL = ("lopenr", "institusjon", "kjonn", "rolle", "veilnr", "region")
COUNTS = ("aar", "erfaring", "veil_timer", "v_erfaring", "v_timer")


def study_files(study: SyntheticStudy) -> list[str]:
    """Return the names of the files of a study."""
    waves = [f"ansatte_{year}.sav" for year in study.waves]
    return [*waves, f"veiledere_{SUPERVISOR_YEAR}.sav", "README.md", "truth.json"]


def write_study(study: SyntheticStudy, folder: Path, *, force: bool = False) -> list[Path]:
    """Write the files of a study into a folder and return their paths.

    Raises
    ------
    UsageError
        If a file is already there and ``force`` is not set, or if the folder holds waves of another study.
    """
    paths = [folder / name for name in study_files(study)]
    present = [path.name for path in paths if path.exists()]
    if present and not force:
        raise UsageError(
            f"{folder} already holds {', '.join(present)}. Choose another folder, or overwrite with --force."
        )
    strange = sorted(p.name for p in folder.glob("ansatte_*.sav") if p not in paths)
    if strange:
        raise UsageError(
            f"{folder} holds waves that this study does not have: {', '.join(strange)}. "
            "Move them away or choose another folder, so that two studies do not mix."
        )
    for year, frame in study.waves.items():
        write_sav(frame, folder / f"ansatte_{year}.sav", study=study, title=f"SYNTHETIC staff survey {year}")
    write_sav(
        study.supervisors, folder / f"veiledere_{SUPERVISOR_YEAR}.sav", study=study,
        title=f"SYNTHETIC supervisor survey {SUPERVISOR_YEAR}",
    )  # fmt: skip
    write_text(folder / "README.md", readme_text(study))
    write_text(folder / "truth.json", truth_text(study))
    return paths


def write_sav(frame: pd.DataFrame, path: Path, *, study: SyntheticStudy, title: str) -> None:
    """Write one frame as an SPSS file with labels, measures and declared user-missing codes."""
    import pyreadstat

    columns = list(frame.columns)
    with replacing(path) as temporary:
        pyreadstat.write_sav(
            frame,
            str(temporary),
            file_label=title,
            column_labels={name: study.labels["variables"][name] for name in columns},
            variable_value_labels={n: v for n, v in study.labels["values"].items() if n in columns},
            missing_ranges={n: [*v] for n, v in study.user_missing.items() if n in columns},
            variable_measure={name: _measure(name) for name in columns},
            variable_format={name: "F6.0" for name in columns},
            row_compress=True,
        )


def _measure(name: str) -> str:
    if name in NOMINAL:
        return "nominal"
    return "scale" if name in COUNTS else "ordinal"


def truth_text(study: SyntheticStudy) -> str:
    """Return the truth as JSON text."""
    record = {
        "synthetic": True,
        "note": "SYNTHETIC. Population values planted by `implstats simulate`, on the score scale, before "
        "careless answering, blanks, non-response and leaving. See docs/methods/simulate.md.",
        "seed": study.seed,
        "years": list(study.waves),
        **study.truth,
    }
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def readme_text(study: SyntheticStudy) -> str:
    """Return the README of the data folder."""
    years = list(study.waves)
    persons = pd.concat([frame["lopenr"] for frame in study.waves.values()]).nunique()
    answers = ", ".join(f"{year}: {len(frame)}" for year, frame in study.waves.items())
    codes = "9 'Vet ikke' and 99 'Ikke relevant' on items, 99 on hours of supervision (where 9 is nine hours)"
    command = (
        f"implstats simulate FOLDER --seed {study.seed} --institutions {study.design.institutions} "
        f"--waves {study.design.waves}"
    )
    return f"""# SYNTHETIC staff surveys {years[0]}-{years[-1]} and supervisor questionnaire {SUPERVISOR_YEAR}

**Every number here is simulated. No person, institution or answer is real, and nothing may be
concluded about any real service.** The shape (institutions, yearly waves, a supervisor questionnaire)
follows a public project description; sizes, means and effects are invented.

Made by `{command}`.
The same seed gives the same data; the generator is `src/implstats/simulate`, explained in
`docs/methods/simulate.md`.

| file | what |
|---|---|
| `ansatte_<year>.sav` | one row a person who answered that year ({answers}; {persons} persons in all) |
| `veiledere_{SUPERVISOR_YEAR}.sav` | {len(study.supervisors)} supervisors, asked once |
| `truth.json` | the planted population values on the score scale, and who straightlined |

`lopenr` is the person, `institusjon` the institution, `aar` the year. Item columns are a topic and a
number; labels are in Norwegian and hold no item text. User-missing codes are declared in the files:
{codes}.
Reverse-keyed items are marked '(snudd)' in their label: {", ".join(_reversed(study))}.

Licence: public domain (CC0), as nothing here is anybody's answer.
"""


def _reversed(study: SyntheticStudy) -> list[str]:
    return [f"`{name}`" for name, label in study.labels["variables"].items() if label.endswith("(snudd)")]
