import copy

import numpy as np
import torch

from esm2_amp.explanation.attention import READINGS, read_attention
from esm2_amp.explanation.randomisation import cascade, randomised_weights
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.pairs import Pairs

CPU = torch.device("cpu")


def network_of():
    torch.manual_seed(1)
    sizes = {"h1": 10, "h2": 6, "layers": 3, "heads": 2, "feed_forward": 20, "dropout": 0.0}
    return build_network(MODELS["ESM2_AMPS"].config(architecture="ESM2_AMPS", **sizes), 8).eval()


def differing(network, other):
    names = zip(network.state_dict().items(), other.state_dict().values(), strict=True)
    return {name.split(".norm")[0] for (name, weight), changed in names if not torch.equal(weight, changed)}


def test_modules_are_initialised_anew_from_the_head_down():
    network, seen = network_of(), []
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    for module, randomised in cascade(network, seed=5):
        changed = {name.split(".")[0] + "".join(name.split(".")[2:3]) for name in differing(network, randomised)}
        seen.append((module, changed))
    head, layers = "mlp_layersweight", [f"transformer_encoder{number}" for number in range(3)]
    assert seen == [
        ("head", {head}),
        ("layer 3", {head, layers[2]}),
        ("layer 2", {head, *layers[1:]}),
        ("layer 1", {head, *layers}),
    ]
    assert all(torch.equal(weight, network.state_dict()[name]) for name, weight in before.items())
    assert torch.equal(torch.get_rng_state(), state)


def test_attention_is_the_same_until_a_layer_is_random():
    network = network_of()
    pairs = Pairs(torch.randn(9, 10, 8), *torch.randint(9, (2, 12)))

    def explain(of_network):
        return read_attention(of_network, pairs, batch_size=12, device=CPU).importance

    table_found = randomised_weights(network, explain, seed=5).set_index(["Stage", "Method"])["Correlation"]
    for method in READINGS:
        assert table_found[1, method] == 1
        assert table_found[4, method] < 0.9
    assert np.isfinite(table_found).all()
