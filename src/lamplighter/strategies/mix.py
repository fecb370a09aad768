"""Mixtures: shares of every batch by other strategies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from lamplighter.arrays import F32
from lamplighter.strategies.base import (
    Block,
    Choice,
    Context,
    Lane,
    Output,
    Ranked,
    Shortlist,
    Strategy,
    require,
)
from lamplighter.strategies.parts import NONE, Part, appended, count, joined

#: How a share that is not filled is told, at its end.
_SHARE = " rows of its share"


@dataclass(frozen=True)
class Share:
    """A strategy by its name, and the share of every batch that it picks."""

    name: str
    strategy: Strategy
    share: float


@dataclass(frozen=True)
class Mix(Strategy):
    """Let several strategies pick their shares of one batch: most by one, some at random, say.

    The scan keeps the lists of every strategy, each for the whole batch, so that every one still has its
    exact best rows when others have taken some of them. The shares pick first, in their order, each from
    its own lists without the rows already taken; `main` picks the rest, and so fills up what a share could
    not give. Should it run out of rows, the shares fill up in their order. A random share is thus a simple
    random sample of the pool if it is the first share, and later of what the shares before it left: put it
    first where an estimate rests on it.

    Of k rows a share s gets floor(s k), and the rows that rounding leaves over go to the largest fractions
    (of equals to `main`, then to the earlier share): Hamilton's method. The parts are merged in turns, so
    that every head of the batch, which labelers see first, is mixed as the whole.

    What a strategy records of its rows (inclusion probabilities, say) holds for its part: for what it
    would have drawn from the rows that earlier parts had left.

    The scan costs the sum of the strategies', with one pass over the pool and one product with the model;
    the shortlist has the rows of all. Exploring beside exploiting: Osugi, Deng and Scott 2005,
    doi:10.1109/ICDM.2005.33.

    Attributes
    ----------
    name
        Of the main strategy.
    main
        Picks what the shares leave.
    shares
        The others: each above 0, together below 1.
    """

    name: str
    main: Strategy
    shares: tuple[Share, ...]

    def __post_init__(self) -> None:
        require(len(self.shares) > 0, "a mix needs at least one share beside the main strategy")
        for part in self.shares:
            told = f"share of {part.name} is {part.share!r}; allowed: above 0 and below 1"
            require(0 < part.share < 1, told)
        total = sum(part.share for part in self.shares)
        require(round(total, 9) < 1, f"the shares add up to {total:g}; below 1, the rest is by {self.name}")

    @property
    def requires(self) -> frozenset[Output]:
        """What any of them reads."""
        return frozenset[Output]().union(*(strategy.requires for strategy in self._all))

    @property
    def carries(self) -> frozenset[Output]:
        """What all of them read of the shortlist."""
        return frozenset[Output]().union(*(strategy.carries for strategy in self._all))

    @property
    def _all(self) -> tuple[Strategy, ...]:
        return (self.main, *(part.strategy for part in self.shares))

    def check(self, classes: tuple[str, ...]) -> None:
        """Check all of them."""
        for strategy in self._all:
            strategy.check(classes)

    def prepare(self, context: Context) -> Self:
        """Prepare all of them."""
        shares = tuple(replace(part, strategy=part.strategy.prepare(context)) for part in self.shares)
        return replace(self, main=self.main.prepare(context), shares=shares)

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Keep the lists of all, one after another."""
        return tuple(lane for strategy in self._all for lane in strategy.lanes(context))

    def score(self, block: Block) -> F32:
        """Give the main strategy's score."""
        return self.main.score(block)

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        """Rank rows as each of them does."""
        return tuple(rows for strategy in self._all for rows in strategy.rank(block))

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, rows) rows, by shares.

        Records in `picked_by` which strategy picked a row, how many each did, and what they record.
        """
        k = min(context.k, len(np.unique(shortlist.row_numbers())))
        main, *parts = self._parts(shortlist, context)
        asked = portions([part.share for part in self.shares], k)
        taken, chosen = NONE, list[Choice]()
        for part, share, rows in zip(parts, self.shares, asked[1:], strict=True):
            chosen.append(part.without(taken).choose(share.strategy, context, rows))
            taken = np.concatenate([taken, chosen[-1].positions])
        last = main.without(taken).choose(self.main, context, k - len(taken))
        taken = np.concatenate([taken, last.positions])
        for i, (part, share) in enumerate(zip(parts, self.shares, strict=True)):
            # The main strategy has run out of rows that it would pick: others may have some left.
            more = part.without(taken).choose(share.strategy, context, k - len(taken))
            chosen[i] = appended([chosen[i], more])
            taken = np.concatenate([taken, more.positions])
        return self._told([last, *chosen], asked)

    def retold(self, shortlist: Shortlist, choice: Choice, context: Context) -> Choice:
        """Count who picked how many rows of a batch that was made in several choices."""
        who = list(choice.columns.get("picked_by", ()))
        rows = {name: who.count(name) for name in self._names}
        facts = {f"{name}.rows": count for name, count in rows.items()}
        # Those of a quota's parts go: what is counted is the whole.
        ended = tuple(f".{fact}" for fact in facts)
        kept = {key: fact for key, fact in choice.facts.items() if not f".{key}".endswith(ended)}
        others = [told for told in choice.notices if not told.endswith(_SHARE)]
        # Several choices round several times: a share is short where it lacks what it has at least.
        least = [int(round(share * len(who), 9)) for share in self._sizes]
        return replace(choice, facts=facts | kept, notices=(*_short(rows, least), *others))

    @property
    def _names(self) -> list[str]:
        return distinct_names([self.name, *(part.name for part in self.shares)])

    @property
    def _sizes(self) -> tuple[float, ...]:
        return 1 - sum(part.share for part in self.shares), *(part.share for part in self.shares)

    def _parts(self, shortlist: Shortlist, context: Context) -> list[Part]:
        """Give what each of them chooses from, by the numbers that its lists have had since the scan."""
        found, first = [], 0
        for strategy in self._all:
            own = count(strategy.lanes(context.at_scan()))
            found.append(Part.of(shortlist, first, own))
            first += own
        return found

    def _told(self, chosen: Sequence[Choice], asked: Sequence[int]) -> Choice:
        parts = {}
        for name, choice in zip(self._names, chosen, strict=True):
            rows = len(choice.positions)
            columns = {"picked_by": np.full(rows, name), **choice.columns}
            parts[name] = replace(choice, columns=columns, facts={"rows": rows, **choice.facts})
        whole, picked = joined(parts), {name: len(part.positions) for name, part in parts.items()}
        return replace(whole, notices=(*_short(picked, asked), *whole.notices))


def _short(rows: Mapping[str, int], asked: Sequence[int]) -> Iterator[str]:
    for (name, picked), wanted in zip(rows.items(), asked, strict=True):
        if picked < wanted:
            yield f"{name} picked {picked} of the {wanted}{_SHARE}"


def portions(shares: Sequence[float], k: int) -> list[int]:
    """Cut k rows by shares: first what the shares leave, then each share's; the sum is k.

    Every portion is rounded down, and the rows left over go to the largest fractions, of equals to the
    earlier portion.
    """
    exact = [round(share * k, 9) for share in (1 - sum(shares), *shares)]  # 0.1 * 30 is a little over 3
    rows = [int(portion) for portion in exact]
    by_fraction = sorted(range(len(rows)), key=lambda i: rows[i] - exact[i])
    for i in by_fraction[: k - sum(rows)]:
        rows[i] += 1
    return rows


def distinct_names(names: Sequence[str]) -> list[str]:
    """Number the names that stand there again: a, b, a 2."""
    found = []
    for i, name in enumerate(names):
        before = names[:i].count(name)
        found.append(f"{name} {before + 1}" if before else name)
    return found
