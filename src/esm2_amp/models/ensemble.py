"""A deep ensemble: several fits of one architecture as one network (METHOD section 12)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from esm2_amp.errors import InputError
from esm2_amp.models.base import PairNetwork


class Ensemble(PairNetwork):
    """K networks whose mean logit is the ensemble's (Lakshminarayanan et al. 2017).

    Its gradients are the means of the members' gradients. What is read inside a network, such as attention, is read in
    each member and averaged. `esm2_amp.models.storage` writes and reads it, a file for each member.

    Parameters
    ----------
    members : sequence of K PairNetwork
        Two networks or more of one class and one size.

    Raises
    ------
    InputError
        There are fewer than two, or they differ in class or size.
    """

    def __init__(self, members: Sequence[PairNetwork]) -> None:
        super().__init__()
        _check_alike(members)
        self.members = nn.ModuleList(members)
        self.protein_tokens, self.symmetric = members[0].protein_tokens, members[0].symmetric

    @property
    def sizes(self) -> dict[str, Any]:
        """The arguments of a member's constructor; all members have the same."""
        return members_of(self)[0].sizes

    def forward(self, tokens: Tensor) -> Tensor:
        """Mean logits of pairs: (B, T, D) → (B,)."""
        return member_logits(self, tokens).mean(dim=1)


def members_of(network: PairNetwork) -> list[PairNetwork]:
    """The members of an ensemble, or the network alone."""
    return [*network.members] if isinstance(network, Ensemble) else [network]  # type: ignore[list-item]


def member_logits(network: PairNetwork, tokens: Tensor) -> Tensor:
    """Logits of pairs by each member: (B, T, D) → (B, K); K is 1 for a single network."""
    return torch.stack([member(tokens) for member in members_of(network)], dim=1)


def joined(members: Sequence[PairNetwork]) -> PairNetwork:
    """The ensemble of several networks; a single one stays as it is."""
    return members[0] if len(members) == 1 else Ensemble(members)


def _check_alike(members: Sequence[PairNetwork]) -> None:
    if len(members) < 2:  # noqa: PLR2004
        raise InputError(
            f"An ensemble must have two members or more, got {len(members)}; give a single network as it is"
        )
    first = members[0]
    for number, member in enumerate(members[1:], start=2):
        if (type(member), member.sizes) != (type(first), first.sizes):
            raise InputError(
                f"The members of an ensemble must be of one architecture and size, but member 1 is "
                f"{type(first).__name__} {first.sizes} and member {number} {type(member).__name__} {member.sizes}; "
                "train them with the same settings"
            )
