"""What a labeling interface asks and shows, read from its XML."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from lamplighter.errors import LabelerError

_VARIABLE = re.compile(r"^\$([^\s$]+)$")
_SINGLE = ("single", "single-radio")


@dataclass(frozen=True)
class Control:
    """The question that a labeling interface asks.

    Attributes
    ----------
    name
        Of the Choices tag: "from_name" in results.
    shown
        Of the tag that shows the row: "to_name" in results.
    variables
        Keys of a task's data that the interface shows.
    """

    name: str
    shown: str
    variables: frozenset[str]


def control_in(xml: str, classes: Sequence[str], keys: Collection[str], where: str) -> Control:
    """Give the question of an interface, which must ask for the campaign's classes.

    Parameters
    ----------
    keys
        What a task's data will have.
    where
        What messages call the interface.

    Raises
    ------
    LabelerError
        It is no XML, has no single choice between exactly the classes, or shows what tasks lack.
    """
    root = _root(xml, where)
    tag = _question(root, classes, where)
    control = Control(tag.get("name", ""), tag.get("toName", ""), _variables(root))
    if not control.name:
        raise LabelerError(f"{where}: its Choices tag has no name; give it one")
    objects = [e for e in root.iter() if e.get("name") == control.shown and (e.get("value") or "").strip()]
    if len(objects) != 1:
        raise LabelerError(
            f"{where}: Choices '{control.name}' has toName='{control.shown}', which is the name of "
            f"{len(objects)} tags that show something; name the one tag that shows the row"
        )
    strange = sorted(control.variables - set(keys))
    if strange:
        raise LabelerError(
            f"{where}: it shows {_listed(['$' + s for s in strange])}, which tasks do not have; they have "
            f"{_listed(sorted(keys))}; name columns of pool.display"
        )
    return control


def _root(xml: str, where: str) -> ElementTree.Element:
    # A document type is of no use here; entities that name each other can fill the memory.
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise LabelerError(f"{where}: it declares a document type; remove everything before the View tag")
    try:
        return ElementTree.fromstring(xml)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise LabelerError(f"{where}: it is no XML: {error}") from None


def _question(root: ElementTree.Element, classes: Sequence[str], where: str) -> ElementTree.Element:
    """Give the one Choices tag that asks for the classes."""
    tags = [e for e in root.iter() if e.tag == "Choices"]
    faults = {number: _fault(tag, classes) for number, tag in enumerate(tags)}
    fitting = [tags[number] for number, fault in faults.items() if fault is None]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = _listed([tag.get("name", "") for tag in fitting])
        raise LabelerError(f"{where}: the Choices {names} all ask for the classes; leave one of them")
    if not tags:
        raise LabelerError(f"{where}: it has no Choices tag; add one with a Choice for each class")
    said = "; ".join(f"Choices '{tags[n].get('name', '')}' {fault}" for n, fault in faults.items())
    raise LabelerError(f"{where} does not ask for the campaign's classes: {said}")


def _fault(tag: ElementTree.Element, classes: Sequence[str]) -> str | None:
    if tag.get("choice", "single") not in _SINGLE:
        return f"has choice='{tag.get('choice')}'; allowed: single"
    if (tag.get("perRegion") or tag.get("perItem") or "false").lower() == "true":
        return "asks about regions; remove perRegion and perItem"
    if tag.get("value"):
        return "takes its choices from the task; write them as Choice tags"
    choices = [e for e in tag.iter() if e.tag == "Choice"]
    if any(e.tag == "Choice" for choice in choices for e in choice):
        return "has choices inside of choices; put them side by side"
    values = [choice.get("alias") or choice.get("value") or "" for choice in choices]
    missing = [name for name in classes if name not in values]
    surplus = [value for value in values if value not in classes]
    twice = sorted({value for value in values if values.count(value) > 1})
    said = [f"lacks {_listed(missing)}"] if missing else []
    said += [f"also has {_listed(surplus)}, no class"] if surplus else []
    said += [f"has {_listed(twice)} twice"] if twice else []
    return " and ".join(said) or None


def _variables(root: ElementTree.Element) -> frozenset[str]:
    shown = (element for element in root.iter() if element.tag != "Choice")  # a class may be called $5
    values = [value for element in shown for value in element.attrib.values()]
    return frozenset(found[1] for value in values if (found := _VARIABLE.match(value.strip())))


def _listed(names: Sequence[str], shown: int = 10) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(json.dumps(name, ensure_ascii=False) for name in names[:shown]) + more
