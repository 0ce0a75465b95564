import torch
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.pairs import Pairs
from esm2_amp.training.batches import Shares, pair_batches


def numbered(a, b, label):
    """Pairs whose vectors don't matter."""
    return Pairs(torch.empty(0, 1, 1), a, b, label)


def batches_of(seed):
    rows = torch.arange(10)
    return list(pair_batches(numbered(rows, rows + 100, rows.float() / 2), Shares(4, 4), seed))


def test_batches_keep_pairs_together_and_leave_none_out():
    for seed in (None, 1):
        batches = batches_of(seed)
        assert [len(a) for a, _, _ in batches] == [4, 4, 2]
        a, b, label = (torch.cat(column) for column in zip(*batches, strict=True))
        assert sorted(a.tolist()) == list(range(10))
        assert torch.equal(b, a + 100)
        assert torch.equal(label, a / 2)


def test_partners_are_swapped_by_a_coin_that_the_seed_decides():
    rows, batches = torch.arange(1000), {}
    for seed in (1, 2):
        drawn = list(pair_batches(numbered(rows, rows + 1000, rows.float()), Shares(300, 300), seed, swapping=True))
        batches[seed] = a, b, label = [torch.cat(column) for column in zip(*drawn, strict=True)]
        assert torch.equal(torch.minimum(a, b), label.long())
        assert torch.equal(torch.maximum(a, b), label.long() + 1000)
        assert 400 < int((a > b).sum()) < 600
    again = next(iter(pair_batches(numbered(rows, rows + 1000, rows.float()), Shares(1000, 1000), 1, swapping=True)))
    assert all(map(torch.equal, again, batches[1]))
    assert not torch.equal(batches[1][0], batches[2][0])


def test_order_is_drawn_from_the_seed():
    orders = {seed: torch.cat([a for a, _, _ in batches_of(seed)]).tolist() for seed in (None, 1, 2)}
    assert orders[None] == list(range(10))
    assert orders[1] == torch.cat([a for a, _, _ in batches_of(1)]).tolist()
    assert orders[1] != orders[2]
    assert list(range(10)) not in (orders[1], orders[2])
    assert orders[1] == torch.randperm(10, generator=torch.Generator().manual_seed(1)).tolist()


@given(
    pairs=st.integers(1, 70), step=st.integers(1, 20), pieces=st.integers(1, 4), processes=st.integers(1, 5),
    seed=st.none() | st.just(3),
)  # fmt: skip
def test_processes_make_the_steps_of_one(pairs, step, pieces, processes, seed):
    rows = torch.arange(pairs)
    data = numbered(rows, rows + 100, rows.float())
    whole = [a for a, _, _ in pair_batches(data, Shares(step, step), seed)]
    shares = [Shares(step, -(-step // pieces), processes, rank) for rank in range(processes)]
    batches = [list(pair_batches(data, share, seed)) for share in shares]
    assert {len(of_rank) for of_rank in batches} == {len(pair_batches(data, shares[0], seed))}
    found = [[] for _ in whole]
    for share, of_rank in zip(shares, batches, strict=True):
        for number, (a, b, _) in enumerate(of_rank):
            counts = share.counts(number, pairs)
            of_step = found[number // share.batches(step)]
            of_step += a[: counts.own].tolist()
            assert 1 <= len(a) <= share.batch
            assert counts.own in (0, len(a))
            assert counts.of_step == len(whole[number // share.batches(step)])
            assert torch.equal(b, a + 100)
    assert [sorted(of_step) for of_step in found] == [sorted(of_step.tolist()) for of_step in whole]
