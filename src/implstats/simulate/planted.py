"""What is planted: the constructs, paths and correlations of the synthetic studies.

Every size is invented for this example. None is an estimate from a real study, and no item text exists:
items are numbered within a topic.
"""

from __future__ import annotations

from implstats.simulate.model import Construct, Model, Path

# Leadership styles share their level shares, so the correlation of their latent totals is the planted one.
LEADERSHIP = (0.12, 0.40, 0.48)
# An ILS subscale's own part belongs to the moment and the person, hardly to the institution.
ILS_OWN = (0.02, 0.38, 0.60)


def _ils(name: str, topic: str, first: int) -> Construct:
    return Construct(
        name=name, label=f"Implementeringsledelse, {topic}", prefix="ils", loadings=(0.88, 0.85, 0.82),
        shares=ILS_OWN, unique=0.25, minimum=0, maximum=4, centre=2.3, first_item=first,
    )  # fmt: skip


STAFF = Model(
    constructs=(
        Construct(name="relation", label="Relasjonsorientert ledelse", prefix="led_rel",
                  loadings=(0.82, 0.78, 0.74, 0.70), shares=LEADERSHIP, centre=3.6),
        Construct(name="task", label="Oppgaveorientert ledelse", prefix="led_opp",
                  loadings=(0.80, 0.76, 0.74, 0.68), shares=LEADERSHIP, centre=3.4),
        Construct(name="change", label="Endringsorientert ledelse", prefix="led_end",
                  loadings=(0.80, 0.78, 0.72, 0.70), shares=LEADERSHIP, centre=3.1),
        Construct(name="ils_general", label="Implementeringsledelse", shares=LEADERSHIP),
        _ils("ils_proactive", "proaktiv", 1),
        _ils("ils_knowledgeable", "kunnskapsrik", 4),
        _ils("ils_supportive", "støttende", 7),
        _ils("ils_perseverant", "utholdende", 10),
        Construct(name="support", label="Lederstøtte", prefix="stotte", loadings=(0.80, 0.76, 0.72),
                  shares=(0.10, 0.42, 0.48), growth=0.16, centre=3.1),
        Construct(name="readiness", label="Beredskap i organisasjonen", prefix="bered",
                  loadings=(0.78, 0.74, 0.72, 0.70, 0.66), reverse=(5,), shares=(0.14, 0.38, 0.48)),
        Construct(name="attitudes", label="Holdninger til kunnskapsbasert praksis", prefix="hold",
                  loadings=(0.76, 0.72, 0.70, 0.66), reverse=(3,), shares=(0.05, 0.55, 0.40),
                  minimum=0, maximum=4, centre=2.5),
        Construct(name="belief", label="Tro på tiltaket", prefix="tro", loadings=(0.82, 0.78, 0.74),
                  shares=(0.06, 0.50, 0.44), centre=3.3),
        Construct(name="dose", label="Veiledning", shares=(0.06, 0.50, 0.44)),
        Construct(name="declarative", label="Deklarativ kompetanse", prefix="kdek",
                  loadings=(0.80, 0.76, 0.72), unique=0.91, growth=0.14, centre=3.1),
        Construct(name="procedural", label="Prosedyrisk kompetanse", prefix="kpro",
                  loadings=(0.80, 0.78, 0.74, 0.70), unique=0.80, growth=0.18, centre=2.9),
        Construct(name="meta", label="Metakompetanse", prefix="kmeta", loadings=(0.78, 0.74, 0.70),
                  unique=0.93, growth=0.10, centre=3.0),
        Construct(name="fidelity", label="Troskap mot tiltaket", prefix="troskap",
                  loadings=(0.78, 0.74, 0.72, 0.68), reverse=(4,), unique=0.72, growth=0.10, centre=3.0),
        Construct(name="goal_directed", label="Målrettet atferd", prefix="mal",
                  loadings=(0.80, 0.78, 0.74, 0.70), reverse=(2,), unique=0.70, growth=0.12,
                  shares=(0.05, 0.47, 0.48), centre=3.1),
        Construct(name="satisfaction", label="Jobbtilfredshet", prefix="trivsel",
                  loadings=(0.82, 0.78, 0.74, 0.70), reverse=(3,), unique=0.66, centre=3.4),
        Construct(name="efficacy", label="Mestringstro", prefix="mestr", loadings=(0.78, 0.76, 0.72, 0.70),
                  unique=0.72, shares=(0.03, 0.52, 0.45), centre=3.3),
    ),
    paths=(
        *(Path(outcome=f"ils_{part}", predictor="ils_general", size=0.86)
          for part in ("proactive", "knowledgeable", "supportive", "perseverant")),
        Path(outcome="declarative", predictor="dose", size=0.30),
        Path(outcome="procedural", predictor="dose", size=0.45),
        Path(outcome="meta", predictor="dose", size=0.25),
        Path(outcome="fidelity", predictor="procedural", size=0.35),
        Path(outcome="fidelity", predictor="belief", size=0.30),
        # The contextual effect: institutions differ more with their leadership than colleagues do.
        Path(outcome="goal_directed", predictor="task", size=0.25, institution=0.80),
        Path(outcome="goal_directed", predictor="procedural", size=0.40),
        Path(outcome="goal_directed", predictor="dose", size=0.08),
        Path(outcome="satisfaction", predictor="support", size=0.35),
        Path(outcome="satisfaction", predictor="goal_directed", size=0.25),
        Path(outcome="satisfaction", predictor="readiness", size=0.15),
        Path(outcome="efficacy", predictor="procedural", size=0.35),
        Path(outcome="efficacy", predictor="goal_directed", size=0.20),
    ),
    correlations=(
        ("relation", "task", 0.50), ("relation", "change", 0.45), ("task", "change", 0.55),
        ("relation", "ils_general", 0.40), ("task", "ils_general", 0.45), ("change", "ils_general", 0.50),
        ("relation", "support", 0.45), ("task", "support", 0.30), ("change", "support", 0.30),
        ("ils_general", "support", 0.40), ("relation", "readiness", 0.30), ("change", "readiness", 0.35),
        ("ils_general", "readiness", 0.40), ("support", "readiness", 0.35), ("attitudes", "belief", 0.45),
        ("readiness", "belief", 0.20), ("declarative", "procedural", 0.50), ("declarative", "meta", 0.40),
        ("procedural", "meta", 0.45),
    ),
)  # fmt: skip

# Supervisors answered once, so everything within a region is the person; regions hardly differ.
ONCE = (0.03, 0.97, 0.0)


def _once(name: str, label: str, prefix: str, loadings: tuple[float, ...], *, unique: float = 1.0,
          reverse: tuple[int, ...] = ()) -> Construct:  # fmt: skip
    return Construct(name=name, label=label, prefix=prefix, loadings=loadings, shares=ONCE, unique=unique,
                     reverse=reverse, centre=3.4)  # fmt: skip


SUPERVISORS = Model(
    constructs=(
        Construct(name="v_dose", label="Veiledning", shares=ONCE),
        _once("v_observation", "Observasjon av praksis", "v_obs", (0.80, 0.76, 0.72)),
        _once("v_feedback", "Tilbakemelding", "v_tilb", (0.82, 0.76, 0.72)),
        _once("v_structure", "Struktur i veiledningen", "v_strukt", (0.78, 0.74, 0.70)),
        _once("v_declarative", "Deklarativ kompetanse", "v_kdek", (0.80, 0.76, 0.72), unique=0.84),
        _once("v_procedural", "Prosedyrisk kompetanse", "v_kpro", (0.80, 0.78, 0.74, 0.70), unique=0.68),
        _once("v_meta", "Metakompetanse", "v_kmeta", (0.78, 0.74, 0.70), unique=0.82),
        _once("v_satisfaction", "Jobbtilfredshet", "v_trivsel", (0.82, 0.78, 0.74, 0.70), unique=0.85,
              reverse=(3,)),
        _once("v_efficacy", "Mestringstro", "v_mestr", (0.78, 0.76, 0.72, 0.70), unique=0.78),
    ),
    paths=(
        Path(outcome="v_declarative", predictor="v_structure", size=0.40),
        Path(outcome="v_procedural", predictor="v_observation", size=0.40),
        Path(outcome="v_procedural", predictor="v_feedback", size=0.20),
        Path(outcome="v_procedural", predictor="v_dose", size=0.15),
        Path(outcome="v_meta", predictor="v_feedback", size=0.42),
        Path(outcome="v_satisfaction", predictor="v_feedback", size=0.38),
        Path(outcome="v_efficacy", predictor="v_procedural", size=0.47),
    ),
    correlations=(
        ("v_observation", "v_feedback", 0.40), ("v_observation", "v_structure", 0.30),
        ("v_feedback", "v_structure", 0.35), ("v_declarative", "v_procedural", 0.35),
        ("v_declarative", "v_meta", 0.30), ("v_procedural", "v_meta", 0.35),
    ),
)  # fmt: skip
