"""Labels and user-missing codes of the synthetic files, in Norwegian as a Norwegian file would have them.

An item's label is its topic and number, such as ``Oppgaveorientert ledelse 3``: no item text of any
instrument.
"""

from __future__ import annotations

from implstats.simulate.items import DONT_KNOW, NOT_RELEVANT
from implstats.simulate.model import Construct, Model

VariableLabels = dict[str, str]
ValueLabels = dict[str, dict[int, str]]
UserMissing = dict[str, list[int]]

AGREEMENT = ("Svært uenig", "Uenig", "Verken enig eller uenig", "Enig", "Svært enig")
EXTENT = ("Ikke i det hele tatt", "I liten grad", "I noen grad", "I stor grad", "I svært stor grad")
MISSING_LABELS = {DONT_KNOW: "Vet ikke", NOT_RELEVANT: "Ikke relevant"}

STAFF_VARIABLES = {
    "lopenr": "Løpenummer",
    "institusjon": "Institusjon",
    "aar": "År",
    "aldersgruppe": "Aldersgruppe da personen begynte",
    "kjonn": "Kjønn",
    "rolle": "Rolle",
    "erfaring": "År med erfaring",
    "veil_timer": "Timer veiledning i måneden",
}
SUPERVISOR_VARIABLES = {
    "veilnr": "Veiledernummer",
    "region": "Region",
    "v_erfaring": "År med erfaring som veileder",
    "v_timer": "Timer veiledning gitt i måneden",
}
AGE_LABELS = {1: "Under 30 år", 2: "30–39 år", 3: "40–49 år", 4: "50–59 år", 5: "60 år og over"}
GENDER_LABELS = {1: "Kvinne", 2: "Mann"}
ROLE_LABELS = {1: "Leder", 2: "Ansatt"}


def item_labels(model: Model) -> VariableLabels:
    """Return a label for every item: topic, number within the topic, and '(snudd)' when reverse-keyed."""
    labels = {}
    for construct in model.measured:
        for number, name in enumerate(construct.items, start=1):
            turned = " (snudd)" if name in construct.reversed_items else ""
            labels[name] = f"{construct.label} {number}{turned}"
    return labels


def answer_labels(construct: Construct) -> dict[int, str]:
    """Return the labels of an item's answers, user-missing codes among them."""
    words = EXTENT if construct.minimum == 0 else AGREEMENT
    return {construct.minimum + k: word for k, word in enumerate(words)} | MISSING_LABELS


def item_value_labels(model: Model) -> ValueLabels:
    """Return the answer labels of every item."""
    return {name: answer_labels(c) for c in model.measured for name in c.items}


def numbered(word: str, count: int) -> dict[int, str]:
    """Return labels such as ``{1: 'Institusjon 01'}``.

    >>> numbered("Region", 2)
    {1: 'Region 01', 2: 'Region 02'}
    """
    return {k: f"{word} {k:02d}" for k in range(1, count + 1)}


def user_missing_codes(model: Model, *, dose: str) -> UserMissing:
    """Return the user-missing codes: 9 and 99 for items, only 99 for hours, where 9 is an answer."""
    codes = {name: [DONT_KNOW, NOT_RELEVANT] for c in model.measured for name in c.items}
    return codes | {dose: [NOT_RELEVANT]}
