"""Functions of PyTorch of one line each, which dlcourse reads with equal numbers.

``a`` and ``b`` are random (3, 4), ``p`` is positive (3, 4), ``s`` a random batch of signals
(2, 4, 6), ``i`` of images (2, 4, 6, 6), ``n`` are integers (3,) from 0 to 3.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name that PyTorch's own documentation uses)


def examples(dtype: torch.dtype = torch.float32) -> SimpleNamespace:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    return SimpleNamespace(
        a=normal(3, 4),
        b=normal(3, 4),
        p=normal(3, 4).abs() + 0.1,
        s=normal(2, 4, 6),
        i=normal(2, 4, 6, 6),
        n=torch.tensor([3, 0, 1]),
    )


POINTWISE: dict[str, Callable[..., Any]] = {
    **{
        name: lambda x, name=name: getattr(torch, name)(x.a)
        for name in (
            "abs", "atan", "asinh", "ceil", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1",
            "floor", "frac", "isfinite", "isinf", "isnan", "neg", "positive", "reciprocal", "relu",
            "round", "sgn", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh", "square", "tan",
            "tanh", "trunc", "deg2rad", "rad2deg", "logical_not", "nan_to_num",
        )
    },
    **{
        name: lambda x, name=name: getattr(torch, name)(x.p)
        for name in ("log", "log10", "log1p", "log2", "rsqrt", "sqrt")
    },
    "asin": lambda x: torch.asin(x.a.sin()),
    "acos": lambda x: torch.acos(x.a.sin()),
    "atanh": lambda x: torch.atanh(x.a.sin() * 0.9),
    "acosh": lambda x: torch.acosh(1 + x.p),
    "logit": lambda x: torch.logit(x.a.sigmoid()),
    "logit, eps": lambda x: torch.logit(x.a.sigmoid(), 0.3),
    "round, decimals": lambda x: torch.round(x.a, decimals=1),
    "nan_to_num of integers": lambda x: torch.nan_to_num(x.n),
    "polar angle": lambda x: torch.atan2(x.a, x.b),
    "hypot": lambda x: torch.hypot(x.a, x.b),
    "add, alpha": lambda x: torch.add(x.a, x.b, alpha=2),
    "sub, alpha": lambda x: torch.sub(x.a, x.b, alpha=3),
    "rsub, alpha": lambda x: torch.rsub(x.a, x.b, alpha=3),
    "mul": lambda x: x.a * x.b * 3,
    "div": lambda x: x.a / x.p / 3,
    "div, no rounding": lambda x: torch.div(x.a, x.b, rounding_mode=None),
    "elu, from its result": lambda x: torch.ops.aten.elu_backward(x.a, 0.5, 2.0, 1.5, True, x.b),
    "div, floor": lambda x: torch.div(x.a, x.b, rounding_mode="floor"),
    "div, trunc": lambda x: torch.div(x.a, x.b, rounding_mode="trunc"),
    "floor_divide": lambda x: x.n // 2,
    "remainder": lambda x: x.a % 0.3,
    "remainder of tensors": lambda x: torch.remainder(x.a, x.b),
    "fmod": lambda x: torch.fmod(x.a, 0.3),
    "fmod of tensors": lambda x: torch.fmod(x.a, x.b),
    "pow": lambda x: x.p**x.a,
    "pow, scalar": lambda x: x.a**3,
    "pow of a scalar": lambda x: 2**x.a,
    "float_power": lambda x: torch.float_power(x.p, 2),
    "xlogy": lambda x: torch.xlogy(x.p, x.p),
    "logaddexp": lambda x: torch.logaddexp(x.a, x.b),
    "lerp": lambda x: torch.lerp(x.a, x.b, 0.3),
    "lerp by a tensor": lambda x: torch.lerp(x.a, x.b, x.p),
    "addcmul": lambda x: torch.addcmul(x.a, x.b, x.p, value=0.5),
    "addcdiv": lambda x: torch.addcdiv(x.a, x.b, x.p, value=0.5),
    "clamp": lambda x: x.a.clamp(-0.5, 0.5),
    "clamp, min": lambda x: x.a.clamp(min=-0.5),
    "clamp, max": lambda x: x.a.clamp(max=0.5),
    "clamp by tensors": lambda x: x.a.clamp(x.b, x.b + 1),
    "clamp by a tensor": lambda x: x.a.clamp(max=x.b),
    "clip": lambda x: x.a.clip(0, 1),
    "maximum": lambda x: torch.maximum(x.a, x.b),
    "minimum": lambda x: torch.minimum(x.a, x.b),
    "fmax": lambda x: torch.fmax(x.a, x.b),
    "fmin": lambda x: torch.fmin(x.a, x.b),
    "where": lambda x: torch.where(x.a > x.b, x.a, x.b),
    "where, scalar": lambda x: torch.where(x.a > 0, x.a, 2.0),
    "masked_fill": lambda x: x.a.masked_fill(x.b > 0, -1.0),
    "masked_fill by a tensor": lambda x: x.a.masked_fill(x.b > 0, x.p[0, 0]),
    "heaviside": lambda x: torch.heaviside(x.a, x.b),
    "copysign": lambda x: torch.copysign(x.p, x.a),
    "isclose": lambda x: torch.isclose(x.a, x.a + 1e-9),
    "comparisons": lambda x: (x.a < x.b, x.a <= 0, x.a > x.b, x.a >= 0, x.a == x.b, x.a != 0),
    "logic": lambda x: ((x.a > 0) & (x.b > 0), (x.a > 0) | (x.b > 0), ~(x.a > 0)),
    "xor": lambda x: ((x.a > 0) ^ (x.b > 0), torch.logical_xor(x.a > 0, x.b > 0)),
    "logical functions": lambda x: (torch.logical_and(x.a, x.b), torch.logical_or(x.a, x.b)),
    "int division": lambda x: x.n / 2,
    "int power": lambda x: x.n**2,
    "mixed dtypes": lambda x: x.n[:, None] * x.a + (x.a > 0),
    "zero rank": lambda x: x.a.sum() * x.n,
}  # fmt: skip

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    **{
        name: lambda x, name=name: getattr(F, name)(3 * x.a)
        for name in (
            "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
            "leaky_relu", "logsigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
            "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
        )
    },
    "celu, alpha": lambda x: F.celu(x.a, 0.5),
    "elu, alpha": lambda x: F.elu(x.a, 0.5),
    **{
        f"{name}, in place": lambda x, name=name: getattr(F, name)(2 * x.a, inplace=True)
        for name in ("elu", "selu", "celu")
    },
    "celu, in place, alpha": lambda x: F.celu(2 * x.a, 0.5, inplace=True),
    "gelu, tanh": lambda x: F.gelu(x.a, approximate="tanh"),
    "glu": lambda x: F.glu(x.a),
    "glu, dim": lambda x: F.glu(x.s, 1),
    "hardshrink, lambd": lambda x: F.hardshrink(x.a, 0.3),
    "hardtanh, limits": lambda x: F.hardtanh(x.a, -0.3, 0.4),
    "leaky_relu, slope": lambda x: F.leaky_relu(x.a, 0.3),
    "prelu": lambda x: F.prelu(x.s, x.a[0]),
    "softplus, beta": lambda x: F.softplus(x.a, 3, 1),
    "softshrink, lambd": lambda x: F.softshrink(x.a, 0.3),
    "threshold": lambda x: F.threshold(x.a, 0.3, -2.0),
    "softmax": lambda x: x.a.softmax(0),
    "softmax, dtype": lambda x: x.a.softmax(-1, dtype=torch.float64),
    "softmin": lambda x: F.softmin(x.a, 1),
    "log_softmax": lambda x: x.a.log_softmax(1),
    "log_softmax, dtype": lambda x: x.a.log_softmax(1, dtype=torch.float64),
}  # fmt: skip

REDUCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: lambda x, name=name: getattr(x.a, name)()
        for name in ("sum", "mean", "prod", "max", "min", "var", "std", "norm", "argmax", "argmin",
                     "amax", "amin", "nansum", "nanmean", "any", "all", "median")
    },
    **{
        f"{name}, dim": lambda x, name=name: getattr(x.a, name)(1)
        for name in ("sum", "mean", "prod", "max", "min", "var", "std", "argmax", "argmin", "amax",
                     "amin", "logsumexp", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp",
                     "any", "all", "median", "count_nonzero", "nansum")
    },
    **{
        f"{name}, keepdim": lambda x, name=name: getattr(x.a, name)(0, keepdim=True)
        for name in ("sum", "mean", "prod", "max", "min", "var", "std", "argmax", "argmin", "amax",
                     "amin", "logsumexp", "any", "all")
    },
    "sum, dims": lambda x: x.s.sum((0, -1)),
    "sum, dtype": lambda x: x.a.sum(dtype=torch.float64),
    "sum of integers": lambda x: (x.n.sum(), (x.n > 0).sum()),
    "mean, dtype": lambda x: x.n.mean(dtype=torch.float32),
    "prod, dtype": lambda x: x.a.prod(0, dtype=torch.float64),
    "cumsum, dtype": lambda x: x.a.cumsum(0, dtype=torch.float64),
    "var, correction": lambda x: x.a.var((0, 1), correction=2),
    "var, biased": lambda x: x.a.var(1, unbiased=False),
    "std, correction": lambda x: x.a.std(0, correction=0, keepdim=True),
    "std_mean": lambda x: torch.std_mean(x.a, 1),
    "var_mean": lambda x: torch.var_mean(x.a, 0, correction=0),
    "aminmax": lambda x: torch.aminmax(x.a, dim=1),
    "norm, 1": lambda x: x.a.norm(1, dim=0),
    "norm, 3": lambda x: x.a.norm(3, dim=(0, 1), keepdim=True),
    "vector norm": lambda x: torch.linalg.vector_norm(x.a, 3, dim=1),
    "vector norm, inf": lambda x: torch.linalg.vector_norm(x.a, torch.inf),
    "vector norm, -inf": lambda x: torch.linalg.vector_norm(x.a, -torch.inf, dim=0),
    "vector norm, 0": lambda x: torch.linalg.vector_norm(x.a.relu(), 0, dim=0),
    "vector norm, dtype": lambda x: torch.linalg.vector_norm(x.a, dtype=torch.float64),
    "matrix norm": lambda x: torch.linalg.matrix_norm(x.a),
    "dist": lambda x: torch.dist(x.a, x.b, 1),
    "normalize": lambda x: F.normalize(x.a, dim=1),
    "quantities of booleans": lambda x: ((x.a > 0).any(), (x.a > 0).all(1), (x.a > 0).sum()),
    "cumulative maximum": lambda x: torch.cummax(x.a, 0)[0],
    "diff": lambda x: torch.diff(x.a),
    "trapezoid": lambda x: torch.trapezoid(x.a),
    "bincount of one-hot": lambda x: F.one_hot(x.n, 4).sum(0),
}  # fmt: skip

PRODUCTS: dict[str, Callable[..., Any]] = {
    "matmul": lambda x: (x.a @ x.b.T, x.a @ x.b[0], x.a[0] @ x.b.T, x.a[0] @ x.b[0], x.i @ x.i),
    "mm": lambda x: torch.mm(x.a, x.b.T),
    "mv": lambda x: torch.mv(x.a, x.b[0]),
    "dot": lambda x: torch.dot(x.a[0], x.b[0]),
    "vdot": lambda x: torch.vdot(x.a[0], x.b[0]),
    "inner": lambda x: torch.inner(x.a, x.b),
    "outer": lambda x: torch.outer(x.a[0], x.b[1]),
    "bmm": lambda x: torch.bmm(x.s, x.s.mT),
    "addmm": lambda x: torch.addmm(x.a, x.b[:, :3], x.b, beta=2, alpha=0.5),
    "addmv": lambda x: torch.addmv(x.a[:, 0], x.a, x.b[0], beta=2, alpha=0.5),
    "addbmm": lambda x: torch.addbmm(x.s[0, :, :4], x.s, x.s.mT, beta=2, alpha=0.5),
    "baddbmm": lambda x: torch.baddbmm(x.s[:, :, :4], x.s, x.s.mT, beta=2, alpha=0.5),
    "addr": lambda x: torch.addr(x.a, x.a[:, 0], x.b[0], beta=2, alpha=0.5),
    "linear": lambda x: F.linear(x.a, x.b, x.b[:, 0]),
    "bilinear": lambda x: F.bilinear(x.a, x.b, x.s[:, :, :4].contiguous()),
    "einsum": lambda x: torch.einsum("bij,bkj->bik", x.s, x.s),
    "tensordot": lambda x: torch.tensordot(x.s, x.a.T, dims=([1], [0])),
    "kron": lambda x: torch.kron(x.a, x.b),
    "cross": lambda x: torch.linalg.cross(x.a[:, :3], x.b[:, :3]),
    "tril": lambda x: (x.a.tril(), x.a.tril(-1)),
    "triu": lambda x: (x.a.triu(), x.a.triu(1)),
    "trace": lambda x: torch.trace(x.a),
    "diagonal": lambda x: (x.a.diagonal(), x.s.diagonal(1, 1, 2)),
    "diag": lambda x: (torch.diag(x.a), torch.diag(x.a[0])),
    "diag_embed": lambda x: torch.diag_embed(x.a),
    "cdist": lambda x: torch.cdist(x.a, x.b),
    "pairwise distance": lambda x: F.pairwise_distance(x.a, x.b),
    "cosine similarity": lambda x: F.cosine_similarity(x.a, x.b),
    "meshgrid": lambda x: torch.meshgrid(x.a[0], x.b[0], indexing="ij"),
    "matrix power": lambda x: torch.linalg.matrix_power(x.a[:, :3], 3),
    "chain": lambda x: torch.linalg.multi_dot([x.a, x.b.T, x.a]),
}

SHAPES: dict[str, Callable[..., Any]] = {
    "reshape": lambda x: (x.a.reshape(2, -1), x.a.view(12), x.a.view_as(x.b), x.a.ravel()),
    "permute": lambda x: (x.s.permute(2, 0, 1), x.a.T, x.s.mT, x.a.t(), x.s.movedim(0, 2)),
    "transpose": lambda x: (x.s.transpose(0, 1), x.s.swapaxes(0, 2), x.a.adjoint()),
    "flatten": lambda x: (x.a.flatten(), x.i.flatten(1, 2), x.i.flatten(2)),
    "unflatten": lambda x: x.a.unflatten(1, (2, -1)),
    "unsqueeze": lambda x: (x.a.unsqueeze(1), x.a.unsqueeze(-1)),
    "squeeze": lambda x: (x.a[:, :1].squeeze(1), x.a[None].squeeze(), x.a[None].squeeze((0, 1))),
    "expand": lambda x: (x.a.unsqueeze(1).expand(3, 2, -1), x.a.expand_as(x.s[:, :3, :4])),
    "broadcast": lambda x: (x.a[0].broadcast_to(2, 4), *torch.broadcast_tensors(x.a, x.b[0])),
    "repeat": lambda x: (x.a.repeat(2, 1, 3), x.a.tile(2, 2)),
    "repeat_interleave": lambda x: x.a.repeat_interleave(2, 1),
    "flip": lambda x: (x.a.flip(0), x.a.flip((0, 1)), x.a.fliplr(), x.a.flipud()),
    "roll": lambda x: (x.a.roll(1), x.a.roll(2, 1), x.a.roll((1, -1), (0, 1))),
    "rot90": lambda x: x.a.rot90(),
    "cat": lambda x: (torch.cat([x.a, x.b]), torch.cat([x.a, x.b], 1), torch.hstack([x.a, x.b])),
    "stack": lambda x: (torch.stack([x.a, x.b]), torch.stack([x.a, x.b], -1)),
    "stacks": lambda x: (torch.vstack([x.a, x.b]), torch.dstack([x.a, x.b])),
    "split": lambda x: (*x.a.split(3, 1), *x.a.split([1, 2])),
    "chunk": lambda x: (*x.a.chunk(2), *x.a.chunk(3, 1), *x.a.tensor_split(2, 1)),
    "unbind": lambda x: (*x.a.unbind(), *x.a.unbind(1)),
    "slices": lambda x: (x.a[1], x.a[:, 2], x.a[1:, ::2], x.a[-2:], x.a[..., 1], x.a[None]),
    "narrow": lambda x: x.a.narrow(1, 1, 2),
    "select": lambda x: x.a.select(1, -1),
    "unfold": lambda x: x.s.unfold(2, 3, 2),
    "pad": lambda x: (F.pad(x.a, (1, 2)), F.pad(x.a, (0, 1, 2, 0), value=3.0)),
    "pad, negative": lambda x: F.pad(x.a, (-1, 2, 1, -1), value=1.0),
    "pad, reflect": lambda x: F.pad(x.s, (2, 1), mode="reflect"),
    "pad, replicate": lambda x: F.pad(x.i, (2, 1, 0, 3), mode="replicate"),
    "pad, circular": lambda x: F.pad(x.s, (2, 1), mode="circular"),
    "pixel shuffle": lambda x: (F.pixel_shuffle(x.i, 2), F.pixel_unshuffle(x.i, 3)),
    "channel shuffle": lambda x: F.channel_shuffle(x.i, 2),
    "unfold images": lambda x: F.unfold(x.i, (2, 3), stride=2, padding=1),
    "fold": lambda x: (
        F.fold(
            x.s,
            (3, 4),
            (2, 2),
        )
        if x.s.shape[2] == 6
        else x.s
    ),
    "interpolate": lambda x: F.interpolate(x.i, scale_factor=2),
    "interpolate, size": lambda x: F.interpolate(x.i, size=(9, 4), mode="nearest"),
    "interpolate, bilinear": lambda x: F.interpolate(x.i, size=(9, 4), mode="bilinear"),
    "interpolate, corners": lambda x: F.interpolate(
        x.i, size=(9, 4), mode="bilinear", align_corners=True
    ),
    "interpolate, linear": lambda x: F.interpolate(x.s, scale_factor=2, mode="linear"),
    "block_diag": lambda x: torch.block_diag(x.a, x.b),
    "more axes": lambda x: (torch.atleast_2d(x.a[0]), torch.atleast_3d(x.a)),
}

INDICES: dict[str, Callable[..., Any]] = {
    "index": lambda x: (x.a[:, x.n], x.a[x.n.clamp(max=2)], x.a[torch.arange(3), x.n]),
    "index, apart": lambda x: x.s[torch.tensor([0, 1, 1]), :, x.n],
    "index, negative": lambda x: x.a[torch.tensor([0, -1])],
    "index, leading": lambda x: x.i[:, x.n, x.n, 1:],
    "index by a constant mask": lambda x: x.a[torch.tensor([True, False, True])],
    "index_select": lambda x: x.a.index_select(1, x.n),
    "take": lambda x: torch.take(x.a, x.n),
    "take_along_dim": lambda x: torch.take_along_dim(x.a, x.n[:, None], 1),
    "gather": lambda x: (x.a.gather(1, x.n[:, None]), x.a.gather(0, x.n[None] % 3)),
    "scatter": lambda x: torch.zeros(3, 4).scatter(1, x.n[:, None], x.b.float()),
    "scatter, value": lambda x: x.a.scatter(1, x.n[:, None], 7.0),
    "scatter, smaller index": lambda x: x.a.scatter(0, torch.tensor([[2, 0]]), x.b),
    "scatter_add": lambda x: x.a.scatter_add(1, x.n[:, None], x.b),
    "scatter_reduce": lambda x: x.a.scatter_reduce(1, x.n[:, None], x.b, "sum"),
    "scatter_reduce, mean": lambda x: [
        x.a.scatter_reduce(1, x.n[:, None].expand(3, 4), x.b, "mean", include_self=included)
        for included in (True, False)
    ],
    "index_add": lambda x: x.a.index_add(1, x.n, x.b[:, :3], alpha=2),
    "index_copy": lambda x: x.a.index_copy(1, x.n, x.b[:, :3]),
    "index_fill": lambda x: x.a.index_fill(1, x.n, 2.0),
    "index_put": lambda x: x.a.index_put((torch.arange(3), x.n), x.b[:, 0]),
    "index_put, accumulate": lambda x: x.a.index_put((x.n * 0, x.n), x.b[:, 0], accumulate=True),
    "masked_scatter of all": lambda x: torch.where(x.a > 0, x.b, x.a),
    "select_scatter": lambda x: x.a.select_scatter(x.b[0], 0, 1),
    "slice_scatter": lambda x: x.a.slice_scatter(x.b[:, :2], 1, 0, 4, 2),
    "diagonal_scatter": lambda x: x.a.diagonal_scatter(x.b[:, 0]),
    "embedding": lambda x: F.embedding(x.n, x.a.T),
    "embedding_bag": lambda x: F.embedding_bag(x.n[None], x.a.T.contiguous()),
    "embedding_bag, sum": lambda x: F.embedding_bag(x.n[None], x.a.T.contiguous(), mode="sum"),
    "embedding_bag, max": lambda x: F.embedding_bag(x.n[None], x.a.T.contiguous(), mode="max"),
    "embedding_bag, offsets": lambda x: F.embedding_bag(
        x.n, x.a.T.contiguous(), torch.tensor([0, 1]), mode="sum"
    ),
    "embedding_bag, weights": lambda x: F.embedding_bag(
        x.n[None], x.a.T.contiguous(), mode="sum", per_sample_weights=x.b[:1, :3]
    ),
    "embedding_bag, padding": lambda x: F.embedding_bag(
        x.n[None], x.a.T.contiguous(), padding_idx=1
    ),
    "one_hot": lambda x: F.one_hot(x.n, 5),
    "sort": lambda x: (*x.a.sort(1), *x.a.sort(0, descending=True)),
    "sort, stable": lambda x: torch.sort(x.n.repeat(3), stable=True, descending=True),
    "argsort": lambda x: (x.a.argsort(), x.a.argsort(0, descending=True)),
    "topk": lambda x: (*x.a.topk(2), *x.a.topk(2, 0, largest=False)),
    "kthvalue": lambda x: x.a.kthvalue(2, 1),
    "searchsorted": lambda x: torch.searchsorted(x.a.sort(1)[0], x.b),
    "bucketize": lambda x: torch.bucketize(x.a, torch.tensor([-1.0, 0.0, 1.0])),
}  # fmt: skip

CREATION: dict[str, Callable[..., Any]] = {
    "zeros, ones": lambda x: (torch.zeros(3, 4) + x.a, torch.ones(4) * x.a, torch.eye(4) * x.a[0]),
    "like": lambda x: (torch.zeros_like(x.a), torch.ones_like(x.n), torch.full_like(x.a, 2)),
    "like, dtype": lambda x: (torch.zeros_like(x.a, dtype=torch.int64), x.a.new_zeros(2)),
    "new": lambda x: (x.a.new_ones(2, 2), x.a.new_full((2,), 3), x.a.new_tensor([1.0, 2.0])),
    "full": lambda x: (torch.full((2, 2), 1.5), torch.full((2,), 3), torch.full((2,), True)),
    "arange": lambda x: (torch.arange(4) * x.a, torch.arange(1, 5), torch.arange(0, 1, 0.25)),
    "linspace": lambda x: torch.linspace(0, 1, 4) * x.a,
    "logspace": lambda x: torch.logspace(0, 1, 4) * x.a,
    "tensor": lambda x: torch.tensor([1.0, 2.0, 3.0, 4.0]) - x.a,
    "scalar tensor": lambda x: torch.tensor(2.0) * x.a,
    "masks": lambda x: torch.ones(4, 4, dtype=torch.bool).tril() & (x.a[0] > 0),
    "triangles": lambda x: (
        torch.tril_indices(3, 4) + x.n[:1],
        torch.triu_indices(3, 2, -1) + x.n[:1],
    ),
    "casts": lambda x: (
        x.a.double(),
        x.n.float(),
        (x.a > 0).long(),
        x.a.to(torch.int32),
        x.a.half(),
    ),
    "casts to another": lambda x: (x.n.type_as(x.a), x.a.to(x.b), x.n.to(x.a.dtype), x.n.bool()),
    "copies": lambda x: (x.a.clone(), x.a.detach(), x.a.contiguous(), x.a.clone() + 1),
    "in place": lambda x: x.a.clone().add_(1).mul_(x.b).relu_(),
    "assigned part": lambda x: assigned(x.a.clone(), x.b),
}


def assigned(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    a[1] = b[0]
    a[:, ::2] += 1
    a[0, 1] = 0
    return a


WINDOWS: dict[str, Callable[..., Any]] = {
    "group norm": lambda x: F.group_norm(x.i, 2),
    "group norm, weights": lambda x: F.group_norm(x.i, 2, x.a[0], x.b[0], 0.1),
    "conv1d": lambda x: F.conv1d(x.s, x.s[:, :, :3], x.a[0, :2], 2, 1),
    "conv2d": lambda x: F.conv2d(x.i, x.i[:, :2, :3, :2], x.a[0, :2], (1, 2), 1, (2, 1), 2),
    "conv2d, no batch": lambda x: F.conv2d(x.i[0], x.i[:, :, :3, :3]),
    "conv2d, same": lambda x: F.conv2d(x.i, x.i[:, :, :3, :2], padding="same"),
    "conv3d": lambda x: F.conv3d(x.i[:, None], x.i[:, None, :2, :3, :2], padding=1),
    "conv_transpose1d": lambda x: F.conv_transpose1d(x.s, x.s[0, :, :4, None].mT, stride=2),
    "conv_transpose2d": lambda x: F.conv_transpose2d(
        x.i, x.i.permute(1, 0, 2, 3)[:, :, :3, :3], x.a[0, :2], 2, 1, 1, 1, 1
    ),
    "conv_transpose1d, no batch": lambda x: F.conv_transpose1d(
        x.s[0], x.s[0, :, :4, None].mT, x.a[0, :1], stride=2
    ),
    "conv_transpose2d, no batch": lambda x: F.conv_transpose2d(
        x.i[0], x.i.permute(1, 0, 2, 3)[:, :, :3, :3], x.a[0, :2], 2, 1, 1, 1, (1, 2)
    ),
    "conv_transpose2d, groups": lambda x: F.conv_transpose2d(
        x.i, x.i.permute(1, 0, 2, 3)[:, :, :3, :3], None, 1, 0, 0, 2, 2
    ),
    "max_pool1d": lambda x: F.max_pool1d(x.s, 2, 1, 1),
    "max_pool2d": lambda x: F.max_pool2d(x.i, (2, 3), (1, 2), 1),
    "max_pool2d, ceil": lambda x: F.max_pool2d(x.i, 4, 3, 1, ceil_mode=True),
    "max_pool2d, dilation": lambda x: F.max_pool2d(x.i, 2, 1, 0, 2),
    "max_pool2d, indices": lambda x: F.max_pool2d(x.i, 2, return_indices=True),
    "max_pool3d": lambda x: F.max_pool3d(x.i, 2),
    "avg_pool1d": lambda x: F.avg_pool1d(x.s, 3, 2, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x.i, (3, 2), 1, 1),
    "avg_pool2d, ceil": lambda x: F.avg_pool2d(x.i, 4, 3, 1, ceil_mode=True),
    "avg_pool2d, uncounted": lambda x: F.avg_pool2d(x.i, 3, 2, 1, count_include_pad=False),
    "avg_pool2d, divisor": lambda x: F.avg_pool2d(x.i, 2, divisor_override=3),
    "avg_pool3d": lambda x: F.avg_pool3d(x.i, 2),
    "lp_pool2d": lambda x: F.lp_pool2d(x.i.abs(), 2.0, 2),
    "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d(x.s, 4),
    "adaptive_avg_pool2d": lambda x: [F.adaptive_avg_pool2d(x.i, n) for n in (1, (4, 3))],
    "adaptive_max_pool1d": lambda x: F.adaptive_max_pool1d(x.s, 3),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x.i, (4, 3)),
    "local_response_norm": lambda x: F.local_response_norm(x.i, 3),
    "layer_norm": lambda x: (F.layer_norm(x.s, (6,)), F.layer_norm(x.s, (4, 6), eps=0.1)),
    "group_norm": lambda x: F.group_norm(x.i, 2, x.a[0], x.b[0], eps=0.1),
    "instance_norm": lambda x: F.instance_norm(x.i, eps=0.1),
    "batch_norm": lambda x: F.batch_norm(x.i, x.a[0], x.p[0], x.b[0], x.b[1], eps=0.1),
    "rms_norm": lambda x: F.rms_norm(x.a, (4,), x.b[0], eps=0.1),
    "dropout at inference": lambda x: (F.dropout(x.a, 0.5, False), F.dropout1d(x.s, 0.5, False)),
    "alpha dropout at inference": lambda x: F.alpha_dropout(x.a, 0.5, False),
}  # fmt: skip


def heads(s: torch.Tensor) -> torch.Tensor:
    return s.reshape(2, 2, 2, 6)


ATTENTION: dict[str, Callable[..., Any]] = {
    "attention": lambda x: F.scaled_dot_product_attention(x.i, x.i.tanh(), x.i.sin()),
    "attention, causal": lambda x: F.scaled_dot_product_attention(x.i, x.i, x.i, is_causal=True),
    "attention, scale": lambda x: F.scaled_dot_product_attention(x.i, x.i, x.i, scale=0.3),
    "attention, boolean mask": lambda x: F.scaled_dot_product_attention(
        x.i, x.i, x.i, attn_mask=x.i[0, 0] > -1
    ),
    "attention, added mask": lambda x: F.scaled_dot_product_attention(
        x.i, x.i, x.i, attn_mask=x.i[0, 0]
    ),
    "attention, fully masked": lambda x: F.scaled_dot_product_attention(
        x.i, x.i, x.i, attn_mask=torch.zeros(6, 6, dtype=torch.bool)
    ),
    "attention, three axes": lambda x: F.scaled_dot_product_attention(x.s, x.s, x.s),
    "attention, other length": lambda x: F.scaled_dot_product_attention(
        x.i, x.i[:, :, :3], x.i[:, :, :3], is_causal=True
    ),
    "attention, grouped": lambda x: F.scaled_dot_product_attention(
        x.i, x.i[:, :2], x.i[:, 2:], enable_gqa=True
    ),
}

LOSSES: dict[str, Callable[..., Any]] = {
    **{
        f"{loss}, {reduction}": lambda x, loss=loss, reduction=reduction: getattr(F, loss)(
            x.a, x.b, reduction=reduction
        )
        for loss in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
        for reduction in ("mean", "sum", "none")
    },
    **{
        f"cross_entropy, {name}": lambda x, how=how: F.cross_entropy(x.a, x.n, **how)
        for name, how in {
            "mean": {},
            "sum": {"reduction": "sum"},
            "none": {"reduction": "none"},
            "ignored": {"ignore_index": 3},
            "smoothing": {"label_smoothing": 0.1},
        }.items()
    },
    "cross_entropy, weights": lambda x: F.cross_entropy(x.a, x.n, weight=x.p[0]),
    "cross_entropy, probabilities": lambda x: F.cross_entropy(x.a, x.b.softmax(1)),
    "cross_entropy, pixels": lambda x: F.cross_entropy(x.s, x.n.repeat(4).reshape(2, 6)),
    "nll_loss": lambda x: F.nll_loss(x.a.log_softmax(1), x.n),
    "bce": lambda x: F.binary_cross_entropy(x.a.sigmoid(), x.b.sigmoid()),
    "bce, weights": lambda x: F.binary_cross_entropy(x.a.sigmoid(), x.b.sigmoid(), x.p),
    "bce, logits": lambda x: F.binary_cross_entropy_with_logits(x.a, x.b.sigmoid()),
    "bce, logits, weights": lambda x: F.binary_cross_entropy_with_logits(
        x.a, x.b.sigmoid(), x.p, pos_weight=x.p[0]
    ),
    "kl_div": lambda x: F.kl_div(x.a.log_softmax(1), x.b.softmax(1), reduction="batchmean"),
    "kl_div, logarithms": lambda x: F.kl_div(
        x.a.log_softmax(1), x.b.log_softmax(1), reduction="sum", log_target=True
    ),
    "poisson": lambda x: F.poisson_nll_loss(x.a, x.p, full=True),
    "hinge": lambda x: F.hinge_embedding_loss(x.a, x.b.sign()),
    "margin ranking": lambda x: F.margin_ranking_loss(x.a, x.b, x.p.sign(), margin=0.2),
    "cosine embedding": lambda x: F.cosine_embedding_loss(x.a, x.b, x.n.sign() * 2 - 1),
    "triplet": lambda x: F.triplet_margin_loss(x.a, x.b, x.p),
    "soft margin": lambda x: F.soft_margin_loss(x.a, x.b.sign()),
    "multi-label soft margin": lambda x: F.multilabel_soft_margin_loss(x.a, (x.b > 0).float()),
    "multi margin": lambda x: F.multi_margin_loss(x.a, x.n),
    "huber, delta": lambda x: F.huber_loss(x.a, x.b, delta=0.3),
    "smooth l1, beta": lambda x: F.smooth_l1_loss(x.a, x.b, beta=0.3),
    "smooth l1, beta 0": lambda x: F.smooth_l1_loss(x.a, x.b, beta=0.0),
    "smooth l1, beta 0, in aten": lambda x: torch.ops.aten.smooth_l1_loss(x.a, x.b, 1, 0.0),
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **POINTWISE,
    **ACTIVATIONS,
    **REDUCTIONS,
    **PRODUCTS,
    **SHAPES,
    **INDICES,
    **CREATION,
    **WINDOWS,
    **ATTENTION,
    **LOSSES,
}
