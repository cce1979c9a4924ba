"""The recipe's global batch, split into micro-batches of ranks: batch = micro x accumulation x ranks."""

from collections.abc import Iterator
from dataclasses import dataclass

from r3gan.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Share:
    """One rank's part of every global batch."""

    batch: int
    ranks: int
    rank: int
    micro: int

    @property
    def accumulation(self) -> int:
        return self.batch // (self.ranks * self.micro)

    def slices(self) -> Iterator[slice]:
        """Positions of this rank's micro-batches in the global batch; all ranks together cover each position once."""
        for turn in range(self.accumulation):
            start = (turn * self.ranks + self.rank) * self.micro
            yield slice(start, start + self.micro)

    def describe(self) -> str:
        return f"batch {self.batch} = micro-batch {self.micro} x {self.accumulation} accumulated x {self.ranks} ranks"


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def share_of(batch: int, ranks: int, rank: int = 0, micro: int | None = None, fitting: int | None = None) -> Share:
    """Split the batch; `micro` None takes the largest micro-batch up to `fitting` (what fits into memory).

    UserError with the possible values where it does not divide: the batch is the recipe's and is not changed.
    """
    if batch % ranks:
        raise UserError(f"--ranks {ranks}: the batch of {batch} does not divide by it; {as_list(divisors(batch))} do")
    allowed = divisors(batch // ranks)
    if micro is None:
        micro = max(size for size in allowed if fitting is None or size <= fitting or size == 1)
    elif micro not in allowed:
        raise UserError(f"--micro-batch {micro}: a rank's {batch // ranks} images do not divide; {as_list(allowed)} do")
    return Share(batch=batch, ranks=ranks, rank=rank, micro=micro)


def as_list(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)
