"""Ten small programs of a first hour, which run with PyTorch and with dlcourse.

Only the imports differ: ``torch``, ``torch.nn.functional as F`` and ``torch.func`` are all
``dlcourse`` here. Data come from NumPy, because the random numbers of the two are different ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional

import dlcourse
from same_script.case import plain

PROGRAMS: list[Callable[[Any, Any, Any], Any]] = []


def program(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    PROGRAMS.append(function)
    return function


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng([seed, *shape]).normal(size=shape))


@program
def linear_regression(torch, F, func):
    x = torch.linspace(-1, 1, 20, dtype=torch.float64).unsqueeze(1)
    y = 3 * x - 2 + 0.1 * torch.tensor(numbers(20, 1))
    w = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    history = []
    for epoch in range(30):
        loss = ((x.mm(w) + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.3 * w.grad
            b -= 0.3 * b.grad
            w.grad.zero_()
            b.grad = None
        if epoch % 10 == 0:
            history.append(f"epoch {epoch}: loss {loss:.6f}, w {w.item():8.4f}")
    return [history, w, b, loss.item() < 0.2]


@program
def a_multilayer_perceptron_by_hand(torch, F, func):
    x, labels = torch.tensor(numbers(12, 4)), torch.arange(12) % 3
    weights = [torch.tensor(0.5 * numbers(n, m, seed=n)) for n, m in [(8, 4), (3, 8)]]
    parameters = [p.requires_grad_() for p in weights]
    biases = [torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in (8, 3)]
    parameters += biases

    def model(x):
        hidden = torch.relu(x @ weights[0].t() + biases[0])
        return hidden @ weights[1].t() + biases[1]

    for _ in range(15):
        scores = model(x)
        loss = -F.log_softmax(scores, dim=1)[torch.arange(12), labels].mean()
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p.sub_(p.grad, alpha=0.5)
                p.grad.zero_()
    values, predicted = model(x).max(dim=1)
    accuracy = (predicted == labels).double().mean()
    return [loss, values, predicted, accuracy.item(), sum(p.numel() for p in parameters)]


@program
def logistic_regression(torch, F, func):
    x = torch.tensor(numbers(30, 2))
    target = (x[:, 0] + x[:, 1] > 0).double()
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    for _ in range(25):
        p = torch.sigmoid(x.matmul(w)).clamp(min=1e-7, max=1 - 1e-7)
        loss = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
        w.grad = None
        loss.backward()
        w.data -= 1.0 * w.grad
    wrong = (p > 0.5).ne(target > 0.5)
    return [w, loss, wrong.any().item(), wrong.double().sum().item()]


@program
def gradient_descent_without_a_graph(torch, F, func):
    target = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)
    w = torch.ones_like(target, requires_grad=True)
    velocity = torch.zeros_like(w)

    @torch.no_grad()
    def update(lr, momentum=0.9):
        velocity.mul_(momentum).add_(w.grad)
        w.sub_(lr * velocity)
        w.grad = None

    @torch.no_grad
    def distance():
        return (w - target).pow(2).sum().sqrt().item()

    distances = []
    for step in range(20):
        F.relu((w - target) * (w - target)).sum().backward()
        update(0.1 if step // 10 == 0 else 0.01)
        distances.append(distance())
    best = w.detach().clone()
    return [distances, best, best.requires_grad, best.is_leaf, w.requires_grad]


@program
def a_check_of_a_gradient(torch, F, func):
    def f(v):
        return torch.logsumexp(torch.stack([v * v, v.sin(), v.exp()], dim=0).flatten(), dim=0)

    x = torch.tensor(numbers(5), requires_grad=True)
    f(x).backward()
    step = 1e-5
    estimates = []
    for i in range(x.numel()):
        moved = torch.zeros_like(x)
        moved[i] = step
        with torch.no_grad():
            estimates.append((f(x + moved) - f(x - moved)) / (2 * step))
    error = (torch.stack(estimates) - x.grad).abs().max()
    return [x.grad, error.item() < 1e-8, torch.autograd_of(f(x), x)]


@program
def newtons_method(torch, F, func):
    def loss(p):
        return (1 - p[0]) ** 2 + 5 * (p[1] - p[0] ** 2) ** 2

    p, path = torch.tensor([-1.0, 1.0], dtype=torch.float64), []
    for _ in range(6):
        g, h = func.grad(loss)(p), func.hessian(loss)(p)
        determinant = h[0, 0] * h[1, 1] - h[0, 1] * h[1, 0]
        swapped = torch.stack([h[1, 1] * g[0] - h[0, 1] * g[1], h[0, 0] * g[1] - h[1, 0] * g[0]])
        p = p - swapped / determinant
        path.append(p.tolist())
    return [np.round(path, 8).tolist(), func.jacrev(loss)(p), loss(p)]


@program
def k_means_and_its_soft_relative(torch, F, func):
    centres = torch.tensor([[0.0, 0.0], [4.0, 4.0], [-4.0, 4.0]], dtype=torch.float64)
    points = (centres.unsqueeze(1) + 0.5 * torch.tensor(numbers(3, 10, 2))).reshape(-1, 2)
    guess = points[[0, 10, 20]].clone()
    for _ in range(5):
        squares = ((points.unsqueeze(1) - guess.unsqueeze(0)) ** 2).sum(dim=2)
        nearest = squares.min(dim=1).indices
        guess = torch.stack([points[nearest == k].mean(dim=0) for k in range(3)])
    soft = guess.clone().requires_grad_()
    weights = torch.softmax(-squares / 2, dim=-1)
    moved = weights.t() @ points / weights.sum(dim=0, keepdim=True).t()
    ((moved - soft) ** 2).sum().backward()
    first = squares.argmin(dim=1).view(3, 10)
    return [guess, nearest, weights, soft.grad, first.eq(first[:, :1]).all().item()]


@program
def attention_by_hand(torch, F, func):
    batch, length, width, heads = 2, 5, 8, 2
    x = torch.tensor(numbers(batch, length, width))
    w = torch.tensor(0.3 * numbers(width, 3 * width), requires_grad=True)
    q, k, v = (x @ w).chunk(3, dim=-1)
    split = lambda t: t.view(batch, length, heads, width // heads).permute(0, 2, 1, 3)  # noqa: E731
    q, k, v = split(q), split(k), split(v)
    scores = q @ k.mT / (width // heads) ** 0.5
    later = torch.triu(torch.ones(length, length), 1) > 0
    weights = scores.masked_fill(later, -1e9).softmax(dim=-1)
    out = (weights @ v).permute(0, 2, 1, 3).contiguous().view(batch, length, width)
    out.pow(2).mean().backward()
    return [out, weights.sum(dim=-1), w.grad, weights.shape[-1], out.dim()]


@program
def a_recurrent_network_of_characters(torch, F, func):
    text = "hello hello help"
    letters = sorted(set(text))
    codes = torch.tensor([letters.index(c) for c in text])
    n, width = len(letters), 6
    table = torch.tensor(0.5 * numbers(n, width), requires_grad=True)
    inner = torch.tensor(0.5 * numbers(width, width), requires_grad=True)
    outer = torch.tensor(0.5 * numbers(width, n), requires_grad=True)
    parameters, losses = [table, inner, outer], []
    for _ in range(10):
        h, loss = torch.zeros(width, dtype=torch.float64), 0.0
        for i in range(len(text) - 1):
            h = torch.tanh(table[codes[i]] + h @ inner)
            scores = h @ outer
            loss = loss + torch.logsumexp(scores, dim=0) - scores[codes[i + 1]]
        loss = loss / (len(text) - 1)
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p.add_(p.grad.clamp(-1, 1), alpha=-0.5)
                p.grad = None
        losses.append(f"{loss.item():.6f}")
    best = scores.topk(2, dim=0)
    return [losses, best.values, "".join(letters[i] for i in best.indices.tolist())]


@program
def a_convolution_by_hand(torch, F, func):
    image = torch.tensor(numbers(1, 2, 6, 6))
    kernel = torch.tensor(numbers(3, 2, 3, 3), requires_grad=True)
    bias = torch.tensor(numbers(3), requires_grad=True)
    rows = []
    for i in range(4):
        row = []
        for j in range(4):
            window = image[:, :, i : i + 3, j : j + 3].flatten(1)
            row.append(window @ kernel.view(3, -1).T + bias)
        rows.append(torch.stack(row, dim=-1))
    by_hand = torch.stack(rows, dim=-2)
    layer = F.conv2d(image, kernel, bias)
    pooled = F.max_pool2d(layer.relu(), 2)
    by_pooling = by_hand.relu().view(1, 3, 2, 2, 2, 2).amax(dim=(3, 5))
    (pooled * by_pooling).sum().backward()
    error = (layer - by_hand).abs().max().item()
    return [
        by_hand,
        torch.cat([pooled, by_pooling], dim=1),
        kernel.grad,
        bias.grad,
        error < 1e-12,
    ]


class Ours:
    """`dlcourse` as ``torch``; what stands in a package there, torch.autograd, apart."""

    def __getattr__(self, name: str) -> Any:
        return getattr(dlcourse, name)

    autograd_of = staticmethod(lambda y, x: dlcourse.gradients(y, x)[0])
    jacrev = staticmethod(dlcourse.jacobian)


class Theirs:
    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    autograd_of = staticmethod(lambda y, x: torch.autograd.grad(y, x)[0])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_the_program_computes_what_it_computes_with_pytorch(program: Any) -> None:
    ours = plain(program(Ours(), dlcourse, Ours()))
    theirs = plain(program(Theirs(), torch.nn.functional, torch.func))
    assert ours == theirs
