"""The gradient of a network integrated along straight paths, with more points where it misses what the logit does.

Over each part of a path the integral of the gradient is the difference between the logits at its ends, so that what a
part misses is known, not estimated. Where attention turns from one token to another, a network's logit changes within a
small part of the path: halving the parts that miss most brings the points there.
"""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import starmap
from typing import Any, Final, NamedTuple

import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from esm2_amp.cluster import Cluster
from esm2_amp.devices import resolve_device
from esm2_amp.models.base import PairNetwork
from esm2_amp.parameters.interpretability import GradientParameters
from esm2_amp.parameters.run import Device

POINTS: Final = 4
"""Gauss-Legendre points on each half of a part that is halved."""


class PathIntegral(NamedTuple):
    """Mean gradients along the paths to B pairs.

    Attributes
    ----------
    gradient : Tensor, shape (B, T, D), float32
        Mean gradient of the logit on the way from the baseline to the pair.
    logit : Tensor, shape (B,), float64
        Of the pairs.
    steps : Tensor, shape (B,), int64
        Points at which the gradient was computed.
    """

    gradient: Tensor
    logit: Tensor
    steps: Tensor


class _Parts(NamedTuple):
    """Parts of paths, I of them. Gradients are where they were computed, all else is on the CPU.

    Attributes
    ----------
    pair : Tensor, shape (I,), int64
        Whose path it is.
    ends : Tensor, shape (I, 2), float64
        Where the part begins and ends, from 0 at the baseline to 1 at the pair.
    logits : Tensor, shape (I, 2), float64
        There.
    gradient : Tensor, shape (I, T, D), float32
        Mean gradient over the part.
    missed : Tensor, shape (I,), float64
        The integral of the gradient over the part minus the difference of the logits.
    """

    pair: Tensor
    ends: Tensor
    logits: Tensor
    gradient: Tensor
    missed: Tensor

    def only(self, chosen: Tensor) -> "_Parts":
        return _Parts(*(values[chosen] for values in self))

    def and_those(self, others: "_Parts") -> "_Parts":
        return _Parts(*map(torch.cat, zip(self, others, strict=True)))

    def sums(self, values: Tensor) -> Tensor:
        """The sum of a value over the parts of each path."""
        count, pair = int(self.pair.max()) + 1, self.pair.to(values.device)
        return values.new_zeros(count, *values.shape[1:]).index_add_(0, pair, values)


@dataclass(frozen=True)
class PathIntegrator:
    """Integrates the gradient of a network along the paths from a baseline to pairs. Workers get it as it is.

    Attributes
    ----------
    network : PairNetwork
        From tokens of shape (B, T, D) to logits of shape (B,).
    baseline : Tensor, shape (T, D), float32
        Where the paths start.
    parameters : GradientParameters
        How they are integrated.
    device : torch.device, or "auto", "cpu", "cuda", "mps"
        Where gradients are computed, by its name on each worker's machine.
    """

    network: PairNetwork
    baseline: Tensor
    parameters: GradientParameters
    device: torch.device | Device

    @cached_property
    def placed(self) -> tuple[PairNetwork, Tensor]:
        """Network, in eval mode, and baseline on the device."""
        device = self.device if isinstance(self.device, torch.device) else resolve_device(self.device)
        return self.network.to(device).eval(), self.baseline.to(device)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "placed"}

    def integrate(self, number: int, tokens: Tensor) -> tuple[int, PathIntegral]:
        """A number, and the mean gradients along the paths to B pairs of tokens, shape (B, T, D), at least one.

        The path to a pair is integrated by `steps` points. Where the attributions don't add up to the difference of the
        logits, the parts that miss most are halved until they do, or the pair has `max_steps`. What becomes of a pair
        doesn't depend on the others, but for rounding.
        """
        network, baseline = self.placed
        with _frozen(network):
            found = _Paths(network, tokens.float().to(baseline.device), baseline, self.parameters).integrate()
        return number, found._replace(gradient=found.gradient.cpu())


def integrate_paths(
    integrator: PathIntegrator, parts: Iterable[tuple[int, Tensor]], cluster: Cluster | None
) -> Iterator[tuple[int, PathIntegral]]:
    """The mean gradients of parts of some pairs.

    Parameters
    ----------
    integrator : PathIntegrator
        As it would integrate here.
    parts : iterable of tuple of int and Tensor
        The number and the tokens of each part, read when they are wanted.
    cluster : Cluster, optional
        Workers that share the parts.

    Yields
    ------
    number : int
        Of a part: in their order, or with a cluster as workers finish.
    found : PathIntegral
        Of its pairs.

    Raises
    ------
    InputError
        As `esm2_amp.cluster.Cluster.results`.
    """
    if cluster:
        sent = replace(integrator, network=copy.deepcopy(integrator.network).cpu(), device=cluster.device)
        yield from cluster.results(PathIntegrator.integrate, sent, parts)
    else:
        yield from starmap(integrator.integrate, parts)


class _Paths:
    """The paths to some pairs."""

    def __init__(self, network: PairNetwork, tokens: Tensor, baseline: Tensor, parameters: GradientParameters) -> None:
        self._network, self._tokens, self._baseline = network, tokens, baseline
        self._method, self._options = IntegratedGradients(network, multiply_by_inputs=False), parameters

    def integrate(self) -> PathIntegral:
        options, count = self._options, len(self._tokens)
        pair, whole = torch.arange(count), torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(count, 2)
        logits = torch.stack([self._logits(pair, ends) for ends in whole.T], dim=1)
        parts, logit = self._measured(pair, whole, logits, options.steps), logits[:, 1]
        allowed = options.tolerance * (logits[:, 1] - logits[:, 0]).abs()
        steps = torch.full_like(pair, options.steps)
        while True:
            open_paths = (parts.sums(parts.missed).abs() > allowed) & (steps + 2 * POINTS <= options.max_steps)
            if not open_paths.any():
                break
            largest = torch.zeros_like(allowed).scatter_reduce(0, parts.pair, parts.missed.abs(), "amax")
            halved = open_paths[parts.pair] & (parts.missed.abs() >= largest[parts.pair] / 2)
            halves = self._halves(parts.only(halved))
            parts = parts.only(~halved).and_those(halves)
            steps.index_add_(0, halves.pair, torch.full_like(halves.pair, POINTS))
        length = (parts.ends[:, 1] - parts.ends[:, 0]).float().to(self._tokens.device)
        return PathIntegral(parts.sums(parts.gradient * length[:, None, None]), logit, steps)

    def _halves(self, parts: _Parts) -> _Parts:
        (start, end), (first, last) = parts.ends.T, parts.logits.T
        middle = (start + end) / 2
        between = self._logits(parts.pair, middle)
        ends = torch.cat([torch.stack([start, middle], 1), torch.stack([middle, end], 1)])
        logits = torch.cat([torch.stack([first, between], 1), torch.stack([between, last], 1)])
        return self._measured(parts.pair.repeat(2), ends, logits, POINTS)

    def _measured(self, pair: Tensor, ends: Tensor, logits: Tensor, steps: int) -> _Parts:
        batch = self._options.internal_batch
        gradient, missed = [], []
        for some, at in zip(pair.split(batch), ends.split(batch), strict=True):
            start, end = (self._points(some, values) for values in at.T)
            found = self._method.attribute(end, start, n_steps=steps, internal_batch_size=batch).detach()
            gradient.append(found)
            missed.append((found * (end - start)).sum(dim=2).cpu().double().sum(dim=1))
        return _Parts(pair, ends, logits, torch.cat(gradient), torch.cat(missed) - (logits[:, 1] - logits[:, 0]))

    @torch.inference_mode()
    def _logits(self, pair: Tensor, where: Tensor) -> Tensor:
        batches = zip(*(values.split(self._options.internal_batch) for values in (pair, where)), strict=True)
        return torch.cat([self._network(self._points(*batch)).cpu().double() for batch in batches])

    def _points(self, pair: Tensor, where: Tensor) -> Tensor:
        share = where.float().to(self._tokens.device)[:, None, None]
        return self._baseline + share * (self._tokens[pair] - self._baseline)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Freeze the weights within the block, so that nothing is kept to compute their gradients from.

    Recurrent networks don't go through cuDNN meanwhile, which has no gradients outside training mode.
    """
    needed = {parameter: parameter.requires_grad for parameter in network.parameters()}
    network.requires_grad_(False)
    try:
        with torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        for parameter, is_needed in needed.items():
            parameter.requires_grad_(is_needed)
