"""No row twice in other clothes: near-duplicates are skipped, whatever the strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.arrays import I64
from lamplighter.strategies.around import Around
from lamplighter.strategies.base import (
    Choice,
    Context,
    Lane,
    Output,
    Shortlist,
    require,
)
from lamplighter.strategies.near import EXACT, Places, centred, distinct, places
from lamplighter.strategies.parts import NONE, appended, picks_of

#: Near-duplicates that a lane has room for: for each row of the batch, and at least.
_ROOM, _LEAST = 3, 4000
#: How often picks of several lists that are near one another are replaced. About as many are near again
#: as have the others' rows on their list, a share of what is missing: a few attempts leave none.
_ATTEMPTS = 20
#: What counts as near unless told, and in how many dimensions of an embedding; in fewer only copies do.
_NEAR, _DIMENSIONS = 0.001, 16
#: The same between rows of table columns, in standard deviations.
_NEAR_COLUMNS = 0.01


@dataclass(frozen=True)
class Distinct(Around):
    """Let any strategy choose, but from rows that are not nearly the same as a picked or a labelled one.

    The distance of two rows of an embedding, seen from the mean of the shortlist, is::

        |x - y|^2 / (2 |x| |y|)        1 - cos(x, y) where they are equally long, more where they are not

    and of two rows of table columns the root mean square of their differences, in standard deviations.
    Seen from 0, rows that share a direction would all be near each other, as pixels and counts are. At
    0.001 a row is moved by 4% of its length: a copy with a little noise, but not a similar row. Wider than
    that, rows that deserve two labels are lost where features are few or coarse, and batches get worse.

    Every list that the scan keeps is gone through from its best row on. Rows nearer than `distance` to a
    row kept before or a labelled one are skipped, until as many are kept as the inner strategy wants;
    it chooses from those. The scan's lists are longer to make up for what is skipped: each lane by 3k rows,
    but by at least 4000, which its groups share. Where nothing is near, the batch is the inner strategy's
    own. Picks from different lists (of a mixture, or a quota) that are near each other are replaced: those
    of shares and quotas stay, and both are counted in the whole batch. (Other facts that the inner
    strategy records are then those of its first choice.) Where the lists run out, since a row has hundreds
    of copies, the batch is filled with near-duplicates, and the record says so.

    Rows that were sent to labelers and have no answer yet do not count as labelled.

    The scan costs the inner strategy's. Then O(m (m + l) D) for m rows looked at and l labelled, up to
    30,000 rows. A longer list is cut into cells of about 1000 rows, and rows are compared within them, in
    O(1000 (m + l) D): copies are always found, a few near rows of different cells are not. The batch is
    then looked through again in other cells, or exactly if it has at most 30,000 rows. Memory: a copy of
    the shortlist, and of the rows that are compared at a time. SemDeDup: Abbas et al. 2023,
    doi:10.48550/arXiv.2303.09540.

    Attributes
    ----------
    inner
        Any strategy.
    distance
        The largest at which two rows are near, 0 for copies alone, which are equal to the last bit. None for
        0.001, of columns 0.01; but for embeddings of less than 16 dimensions, in which every row has a
        neighbour, for copies alone.
    """

    distance: float | None = None

    reads = frozenset({Output.EMBEDDING})

    def __post_init__(self) -> None:
        allowed = self.distance is None or 0 <= self.distance < np.inf
        require(allowed, lambda: f"distance is {self.distance!r}; allowed: a number from 0 on")

    def near(self, context: Context, dimensions: int) -> float:
        """Give the largest distance at which two rows of so many features are near."""
        if self.distance is not None:
            return self.distance
        if not context.embedding:
            return _NEAR_COLUMNS
        return _NEAR if dimensions >= _DIMENSIONS else 0.0

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Keep the inner strategy's lists, with room for near-duplicates."""
        more = max(_ROOM * context.k, _LEAST)
        return tuple(
            replace(lane, rows=lane.rows - (-more // lane.groups)) for lane in self.inner.lanes(context)
        )

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, rows) rows, near-duplicates last.

        Records how many rows were skipped, and how many near-duplicates the batch has all the same.
        """
        search = _Search(self, shortlist, context)
        for attempt in range(_ATTEMPTS):
            if not search.missing or not search.pick(attempt):
                break
        return search.result()


class _Search:
    """A batch in the making."""

    def __init__(self, strategy: Distinct, shortlist: Shortlist, context: Context) -> None:
        self.inner, self.shortlist, self.context = strategy.inner, shortlist, context
        x, labelled = shortlist.embedding, context.labelled
        distance = strategy.near(context, x.shape[1])
        if distance:  # else rows are compared by their bits, which a move of the origin rounds
            x, labelled = centred(context, x, labelled)
        self.rows, self.labelled = places(context, x, labelled, distance)
        lanes = self.inner.lanes(context.at_scan())
        self.sizes = np.repeat([lane.rows for lane in lanes], [lane.groups for lane in lanes])
        order = np.argsort(shortlist.lane, kind="stable")
        ends = np.searchsorted(shortlist.lane[order], np.arange(len(self.sizes) - 1), side="right")
        self.lists = np.split(order, ends)
        self.numbers = shortlist.row_numbers()
        self.picked, self.skipped = (np.zeros(len(shortlist), np.bool_) for _ in range(2))  # by number
        self.parts, self.exhausted = list[Choice](), False

    @property
    def missing(self) -> int:
        """How many rows the batch lacks."""
        return self.context.k - sum(len(part.positions) for part in self.parts)

    def pick(self, attempt: int) -> bool:
        """Let the inner strategy pick what is missing, none of it near-duplicates; say if it did."""
        offered = self._offered(attempt)
        self.exhausted = not len(offered)
        choice = self._chosen(offered)
        several = len(self.sizes) > 1 or max(map(len, self.lists)) > EXACT
        self._take(self._apart(choice, attempt) if several else choice)
        return len(choice.positions) > 0

    def result(self) -> Choice:
        """Fill up with near-duplicates, where nothing else is left, and give the batch."""
        filled = self._fill() if self.missing else NONE
        whole = self._whole()
        rows, first = len(whole.positions), len(self.parts[0].positions) if self.parts else 0
        skipped = int(np.count_nonzero(self.skipped & ~self.picked))
        replaced = rows - first - len(filled)
        facts: dict[str, float | int | str] = {**whole.facts, "near_duplicates_skipped": skipped}
        if replaced:
            facts["near_duplicates_replaced"] = replaced
        return replace(whole, facts=facts, notices=(*whole.notices, *self._told(filled, rows)))

    def _whole(self) -> Choice:
        """Put the parts together; what the first part says of itself holds for the whole no longer."""
        filled = [part for part in self.parts if len(part.positions)]
        whole = appended(filled or self.parts)
        if len(filled) <= 1:
            return whole
        first = replace(whole, notices=filled[0].notices)
        return self.inner.retold(self.shortlist, first, replace(self.context, begun=self._begun(())))

    def _begun(self, parts: Sequence[Choice]) -> Shortlist | None:
        """Give the rows that are picked already; None where nothing near was left out."""
        if not parts and not self.skipped.any():
            return None
        return self.shortlist.take(np.concatenate([NONE, *(part.positions for part in parts)]))

    def _told(self, filled: I64, rows: int) -> tuple[str, ...]:
        """Say how many of the rows that filled the batch are near others, and why."""
        if not len(filled):
            return ()
        taken, generator = self._taken(self.parts[:-1]), self.context.generator("near_duplicates filled")
        near = len(distinct(self.rows, filled, taken, wanted=len(filled), generator=generator).skipped)
        if not near:
            return ()
        kept = f"the {len(np.unique(self.numbers))} best rows that the scan kept hold no others"
        why = kept if self.exhausted else "the strategy picked no others"
        return (f"{near} of {rows} rows are near-duplicates of others or of labelled rows; {why}",)

    def _fill(self) -> I64:
        left = [mine[~self.picked[self.numbers[mine]]] for mine in self.lists]
        short = zip(left, self.sizes, strict=True)
        choice = self._chosen(np.concatenate([mine[:size] for mine, size in short]))
        self._take(choice)
        return choice.positions

    def _offered(self, attempt: int) -> I64:
        """Give the rows of every list that are near none before them, as many as the inner strategy wants."""
        generator = self.context.generator(f"near_duplicates {attempt}")
        taken, kept = self._taken(self.parts), [NONE]
        for mine, size in zip(self.lists, self.sizes, strict=True):
            free = mine[~self.picked[self.numbers[mine]]]
            found = distinct(self.rows, free, taken, wanted=int(size), generator=generator)
            self.skipped[self.numbers[found.skipped]] = True
            kept.append(found.kept)
        return np.concatenate(kept)

    def _taken(self, parts: Sequence[Choice]) -> Places:
        picks = np.concatenate([NONE, *(part.positions for part in parts)])
        return self.labelled.with_rows(self.rows.take(picks))

    def _chosen(self, at: I64) -> Choice:
        if not len(at):
            return Choice(NONE)
        known, begun = self.context, self._begun(self.parts)
        context = replace(known, k=self.missing, scanned=known.at_scan().k, begun=begun)
        choice = self.inner.choose(self.shortlist.take(at), context)
        return replace(choice, positions=at[choice.positions])

    def _apart(self, choice: Choice, attempt: int) -> Choice:
        """Leave out picks near others; those of later lists, which are quotas' and shares', stay."""
        picks = choice.positions
        generator = self.context.generator(f"near_duplicates batch {attempt}")
        order = np.argsort(-self.shortlist.lane[picks], kind="stable")
        none = self.labelled.take(NONE)
        found = distinct(self.rows, picks[order], none, wanted=len(picks), generator=generator)
        self.skipped[self.numbers[found.skipped]] = True
        return picks_of(choice, np.flatnonzero(np.isin(picks, found.kept)))

    def _take(self, choice: Choice) -> None:
        self.parts.append(choice)
        self.picked[self.numbers[choice.positions]] = True
