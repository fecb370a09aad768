"""How often people confirm what machines say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import tables
from lamplighter.annotations import Table
from lamplighter.arrays import Bools, RowIds
from lamplighter.evaluation import wilson
from lamplighter.labelers.base import Status
from lamplighter.rounds import Estimate
from lamplighter.votes import consensus, newest_answers, positions_of


@dataclass(frozen=True)
class Confirmed:
    """Shares of automated labels that people confirmed, over the rows that a person has labelled too.

    Attributes
    ----------
    taken
        Of the labels that were taken; None where people have labelled no such row. Over rows that were
        drawn for an audit it estimates how often the machines are right.
    per_labeler
        The same for each automated labeler that has such rows, by its registered name.
    suggested
        Of the labels that were not taken. They are no random sample: the machines were unsure of them,
        or did not agree. It tells how good the suggestions are, and nothing about what was taken.
    """

    taken: Estimate | None
    per_labeler: Mapping[str, Estimate]
    suggested: Estimate | None


def confirmed(table: Table, automated: frozenset[str]) -> Estimate | None:
    """Give the share of taken automated labels that people confirmed: `Confirmed.taken`."""
    return confirmations(table, automated).taken


def confirmations(table: Table, automated: frozenset[str], *, audited: RowIds | None = None) -> Confirmed:
    """Compare automated labels with people's, with Wilson's 95% intervals.

    What people say of a row is the majority of their votes, of tied classes one by a keyed hash of the
    row's id. Of what an automated annotator said of a row the newest label counts, even if it was
    withdrawn since: it is withdrawn because a person gave a label.

    Parameters
    ----------
    table
        n annotations, of any annotators. O(n log n) time.
    automated
        Registered names of the labelers whose answers are a machine's; all others are people.
    audited
        Rows that were drawn at random from those with a taken label: the others' taken labels do not
        count. A person may have looked at one because it is doubtful, or wrong. None: all count.
    """
    by_machine = pc.is_in(table.column("labeler"), value_set=pa.array(sorted(automated), pa.string()))
    people, machines = table.filter(pc.invert(by_machine)), table.filter(by_machine)
    drawn = machines
    if audited is not None:
        drawn = machines.filter(pa.array(tables.is_in(tables.ids_of(machines), audited)))
    taken, right = _judged(drawn, people, Status.LABELLED)
    _, right_if_taken = _judged(machines, people, Status.SUGGESTED)
    names = np.asarray(taken.column("labeler").to_pylist(), object)
    shares = {str(name): _share(right[names == name]) for name in sorted(set(names.tolist()))}
    return Confirmed(
        taken=_share(right),
        per_labeler={name: share for name, share in shares.items() if share},
        suggested=_share(right_if_taken),
    )


def _judged(machines: Table, people: Table, status: Status) -> tuple[Any, Bools]:
    """Give the automated labels of a status about which people have a label, and which of them agree."""
    said = machines.filter(pc.equal(machines.column("status"), str(status)))
    said = said.take(pa.array(newest_answers(said)))
    classes = pc.unique(pa.concat_tables([machines, people]).column("label")).drop_null().to_pylist()
    judgement = consensus(people, classes)
    place = tables.positions(tables.ids_of(said), judgement.ids)
    said, place = said.filter(pa.array(place >= 0)), place[place >= 0]
    return said, positions_of(said.column("label"), classes) == judgement.label[place]


def _share(right: Bools) -> Estimate | None:
    if not len(right):
        return None
    low, high = wilson(int(right.sum()), len(right))
    return Estimate(value=float(right.mean()), low=low, high=high, n=len(right))
