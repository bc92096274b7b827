"""NumPy by hand, without automatic differentiation: the loop that an expert would write.

With ``out=`` every result goes into memory that is allocated once; that loop is the unit.
"""

from __future__ import annotations

import numpy as np

from benchmarks.engines import UNIT, Engine, Step
from benchmarks.problems import Problem


def in_place(problem: Problem) -> Step:
    return {"mse": _article_in_place, "cross_entropy": _digits_in_place}[problem.loss](problem)


def allocating(problem: Problem) -> Step:
    return {"mse": _article_allocating, "cross_entropy": _digits_allocating}[problem.loss](problem)


ENGINES: dict[str, Engine] = {UNIT: in_place, "NumPy by hand, allocating": allocating}


def _article_in_place(problem: Problem) -> Step:
    x, y = problem.data()
    w1, b1, w2, b2, w3, b3 = parameters = problem.start()
    n, lr = problem.batch, np.float32(problem.lr)
    h1, h2, error, squares = (np.empty((n, k), "f4") for k in (*problem.sizes[1:], 1))
    g1, g2 = np.empty_like(h1), np.empty_like(h2)
    on1, on2 = np.empty(h1.shape, bool), np.empty(h2.shape, bool)
    v1, c1, v2, c2, v3, c3 = gradients = [np.empty_like(p) for p in parameters]

    def step() -> float:
        np.matmul(x, w1.T, out=h1)
        np.add(h1, b1, out=h1)
        np.maximum(h1, 0, out=h1)
        np.matmul(h1, w2.T, out=h2)
        np.add(h2, b2, out=h2)
        np.maximum(h2, 0, out=h2)
        np.matmul(h2, w3.T, out=error)
        np.add(error, b3, out=error)
        np.subtract(error, y, out=error)
        np.square(error, out=squares)
        loss = float(squares.mean())
        np.multiply(error, np.float32(2 / n), out=error)
        np.matmul(error.T, h2, out=v3)
        np.add.reduce(error, axis=0, out=c3)
        np.matmul(error, w3, out=g2)
        np.greater(h2, 0, out=on2)
        np.multiply(g2, on2, out=g2)
        np.matmul(g2.T, h1, out=v2)
        np.add.reduce(g2, axis=0, out=c2)
        np.matmul(g2, w2, out=g1)
        np.greater(h1, 0, out=on1)
        np.multiply(g1, on1, out=g1)
        np.matmul(g1.T, x, out=v1)
        np.add.reduce(g1, axis=0, out=c1)
        for p, g in zip(parameters, gradients, strict=True):
            np.multiply(g, lr, out=g)
            np.subtract(p, g, out=p)
        return loss

    return step


def _digits_in_place(problem: Problem) -> Step:
    x, labels = problem.data()
    w1, b1, w2, b2, w3, b3 = parameters = problem.start()
    n, lr, momentum = problem.batch, np.float32(problem.lr), np.float32(problem.momentum)
    rows = np.arange(n)
    h1, h2, logits = (np.empty((n, k), "f4") for k in problem.sizes[1:])
    g1, g2, p3 = np.empty_like(h1), np.empty_like(h2), np.empty_like(logits)
    on1, on2 = np.empty(h1.shape, bool), np.empty(h2.shape, bool)
    largest, total = np.empty((n, 1), "f4"), np.empty((n, 1), "f4")
    v1, c1, v2, c2, v3, c3 = gradients = [np.empty_like(p) for p in parameters]
    velocities = [np.zeros_like(p) for p in parameters]

    def step() -> float:
        np.matmul(x, w1.T, out=h1)
        np.add(h1, b1, out=h1)
        np.maximum(h1, 0, out=h1)
        np.matmul(h1, w2.T, out=h2)
        np.add(h2, b2, out=h2)
        np.maximum(h2, 0, out=h2)
        np.matmul(h2, w3.T, out=logits)
        np.add(logits, b3, out=logits)
        np.maximum.reduce(logits, axis=1, keepdims=True, out=largest)
        np.subtract(logits, largest, out=logits)
        np.exp(logits, out=p3)
        np.add.reduce(p3, axis=1, keepdims=True, out=total)
        np.divide(p3, total, out=p3)
        np.log(total, out=total)
        loss = float((total[:, 0] - logits[rows, labels]).mean())
        p3[rows, labels] -= 1
        np.multiply(p3, np.float32(1 / n), out=p3)
        np.matmul(p3.T, h2, out=v3)
        np.add.reduce(p3, axis=0, out=c3)
        np.matmul(p3, w3, out=g2)
        np.greater(h2, 0, out=on2)
        np.multiply(g2, on2, out=g2)
        np.matmul(g2.T, h1, out=v2)
        np.add.reduce(g2, axis=0, out=c2)
        np.matmul(g2, w2, out=g1)
        np.greater(h1, 0, out=on1)
        np.multiply(g1, on1, out=g1)
        np.matmul(g1.T, x, out=v1)
        np.add.reduce(g1, axis=0, out=c1)
        for p, v, g in zip(parameters, velocities, gradients, strict=True):
            np.multiply(v, momentum, out=v)
            np.add(v, g, out=v)
            np.multiply(v, lr, out=g)
            np.subtract(p, g, out=p)
        return loss

    return step


def _article_allocating(problem: Problem) -> Step:
    x, y = problem.data()
    parameters = problem.start()
    n, lr = problem.batch, np.float32(problem.lr)

    def step() -> float:
        w1, b1, w2, b2, w3, b3 = parameters
        h1 = np.maximum(x @ w1.T + b1, 0)
        h2 = np.maximum(h1 @ w2.T + b2, 0)
        error = h2 @ w3.T + b3 - y
        loss = float(np.mean(error**2))
        g3 = error * np.float32(2 / n)
        g2 = (g3 @ w3) * (h2 > 0)
        g1 = (g2 @ w2) * (h1 > 0)
        gradients = [g1.T @ x, g1.sum(0), g2.T @ h1, g2.sum(0), g3.T @ h2, g3.sum(0)]
        for i, g in enumerate(gradients):
            parameters[i] = parameters[i] - lr * g
        return loss

    return step


def _digits_allocating(problem: Problem) -> Step:
    x, labels = problem.data()
    parameters = problem.start()
    velocities = [np.zeros_like(p) for p in parameters]
    n, lr, momentum = problem.batch, np.float32(problem.lr), np.float32(problem.momentum)
    rows = np.arange(n)

    def step() -> float:
        w1, b1, w2, b2, w3, b3 = parameters
        h1 = np.maximum(x @ w1.T + b1, 0)
        h2 = np.maximum(h1 @ w2.T + b2, 0)
        logits = h2 @ w3.T + b3
        shifted = logits - logits.max(axis=1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(total[:, 0]) - shifted[rows, labels]))
        g3 = e / total
        g3[rows, labels] -= 1
        g3 = g3 * np.float32(1 / n)
        g2 = (g3 @ w3) * (h2 > 0)
        g1 = (g2 @ w2) * (h1 > 0)
        gradients = [g1.T @ x, g1.sum(0), g2.T @ h1, g2.sum(0), g3.T @ h2, g3.sum(0)]
        for i, g in enumerate(gradients):
            velocities[i] = momentum * velocities[i] + g
            parameters[i] = parameters[i] - lr * velocities[i]
        return loss

    return step
