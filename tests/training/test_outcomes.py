"""What is kept of an epoch's pairs for its measures."""

import torch

from esm2_amp.training.classifier import Outcomes


def batches(sizes, dtype=torch.float32):
    generator = torch.Generator().manual_seed(len(sizes))
    return [torch.randn(2, size, generator=generator, dtype=dtype) for size in sizes]


def test_outcomes_are_those_of_all_batches_in_their_order_and_of_one_epoch():
    outcomes = Outcomes()
    for epoch in ([3, 5, 1], [1], [40, 2]):
        added = batches(epoch)
        for logit, label in added:
            outcomes.add(logit.requires_grad_(), label)
        taken = outcomes.take()
        assert not any(part.requires_grad for part in taken)
        torch.testing.assert_close(torch.stack(taken), torch.cat(added, dim=1).detach(), rtol=0, atol=0)


def test_outcomes_keep_their_precision():
    outcomes, (added,) = Outcomes(), batches([4], torch.float64)
    outcomes.add(*added)
    assert torch.equal(torch.stack(outcomes.take()), added)
