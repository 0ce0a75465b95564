import copy

import pytest
import torch
from torch import nn
from torch.optim import Muon

from esm2_amp.encoder.optimizers import adamw, muon


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 3))


def together(model):
    return muon([model[0].weight], [w for w in model.parameters() if w is not model[0].weight], 1e-2, 0.1)


def step(model, *optimizers, seed):
    torch.manual_seed(seed)
    model.zero_grad()
    model(torch.randn(8, 4)).square().sum().backward()
    for optimizer in optimizers:
        optimizer.step()


def test_a_step_together_is_a_step_of_each():
    model, apart = network(), network()
    others = [weight for weight in apart.parameters() if weight is not apart[0].weight]
    optimizer = together(model)
    each = [
        Muon([apart[0].weight], lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        adamw(others, 1e-2, 0.1),
    ]
    for seed in range(3):
        step(model, optimizer, seed=seed)
        step(apart, *each, seed=seed)
    assert all(map(torch.equal, model.parameters(), apart.parameters()))


def test_a_schedule_reaches_every_weight():
    model = network()
    optimizer = together(model)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    before = copy.deepcopy(model)
    step(model, optimizer, seed=0)
    assert all(map(torch.equal, model.parameters(), before.parameters()))


def test_loaded_state_goes_on_as_if_undisturbed():
    model = network()
    optimizer = together(model)
    step(model, optimizer, seed=0)
    again = copy.deepcopy(model)
    resumed = together(again)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for seed in (1, 2):
        step(model, optimizer, seed=seed)
        step(again, resumed, seed=seed)
    assert all(map(torch.equal, model.parameters(), again.parameters()))


def test_the_step_of_a_matrix_is_nearly_orthogonal():
    model = network()
    before = model[0].weight.detach().clone()
    step(model, muon([model[0].weight], [], 1e-2, 0.0), seed=0)
    values = torch.linalg.svdvals(before - model[0].weight.detach()) / (1e-2 * 0.2 * 6**0.5)
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_only_matrices_decay():
    groups = adamw(network().parameters(), 1e-3, 0.1).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(weight.ndim == 2 for weight in groups[0]["params"])
    assert all(weight.ndim == 1 for weight in groups[1]["params"])
    assert groups[0]["betas"] == pytest.approx((0.9, 0.98))
