import torch

from esm2_amp.pairs import Pairs
from esm2_amp.training.batches import pair_batches


def numbered(a, b, label):
    """Pairs whose vectors don't matter."""
    return Pairs(torch.empty(0, 1, 1), a, b, label)


def batches_of(seed):
    rows = torch.arange(10)
    return list(pair_batches(numbered(rows, rows + 100, rows.float() / 2), batch_size=4, shuffle_seed=seed))


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
        drawn = list(pair_batches(numbered(rows, rows + 1000, rows.float()), 300, seed, swapping=True))
        batches[seed] = a, b, label = [torch.cat(column) for column in zip(*drawn, strict=True)]
        assert torch.equal(torch.minimum(a, b), label.long())
        assert torch.equal(torch.maximum(a, b), label.long() + 1000)
        assert 400 < int((a > b).sum()) < 600
    again = next(iter(pair_batches(numbered(rows, rows + 1000, rows.float()), 1000, 1, swapping=True)))
    assert all(map(torch.equal, again, batches[1]))
    assert not torch.equal(batches[1][0], batches[2][0])


def test_order_is_drawn_from_the_seed():
    orders = {seed: torch.cat([a for a, _, _ in batches_of(seed)]).tolist() for seed in (None, 1, 2)}
    assert orders[None] == list(range(10))
    assert orders[1] == torch.cat([a for a, _, _ in batches_of(1)]).tolist()
    assert orders[1] != orders[2]
    assert list(range(10)) not in (orders[1], orders[2])
    assert orders[1] == torch.randperm(10, generator=torch.Generator().manual_seed(1)).tolist()
