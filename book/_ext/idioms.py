"""What readers of other frameworks know, and how it is said in dlcourse.

Each row is run in both frameworks by tests/book/test_idioms.py, and the page "Coming from PyTorch,
TensorFlow or JAX" is made from the same rows. To add one, add it to its list.

The value of a row is that of its last line. `SETUP` says what the names stand for: arrays A (2, 3)
and B (3,) of positive numbers, integers K, and the tensors a, b and k made of them; a and b require
gradients.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Idiom:
    """One row.

    Attributes:
        theirs, ours: Code that computes the same in both.
        why: What differs on purpose, and why, as plain text.
        trap: Code that both accept, with different results; `why` warns of it.
    """

    theirs: str
    ours: str
    why: str = ""
    trap: str = ""


SETUP = {
    "dlcourse": """
import numpy as np
import dlcourse as dl
from dlcourse import nn, losses, optimizers, graphs
a, b = dl.tensor(A, requires_grad=True), dl.tensor(B, requires_grad=True)
k = dl.tensor(K)
""",
    "PyTorch": """
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
a, b = torch.tensor(A, requires_grad=True), torch.tensor(B, requires_grad=True)
k = torch.tensor(K)
""",
    "TensorFlow": """
import numpy as np
import tensorflow as tf
a, b = tf.Variable(A), tf.Variable(B)
k = tf.constant(K)
""",
    "JAX": """
import numpy as np
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
a, b = jnp.asarray(A), jnp.asarray(B)
k = jnp.asarray(K)
""",
}


def same(code: str, why: str = "", trap: str = "") -> Idiom:
    """A row of PyTorch in which only the module's name differs."""
    return Idiom(code, code.replace("torch.", "dl.").replace("F.", "dl."), why, trap)


def module(code: str) -> Idiom:
    """A row of PyTorch that is the same word for word."""
    return Idiom(code, code)


PYTORCH = [
    # Making tensors
    Idiom(
        "torch.tensor([1.0, 2.0], dtype=torch.float64)",
        "dl.tensor([1.0, 2.0])",
        "The default is NumPy's float64, where PyTorch has float32: here numbers are exact first.",
        trap="lib.tensor([1.0, 2.0]).numpy().dtype.name",
    ),
    same("torch.zeros_like(a) + torch.ones(2, 3) * torch.eye(3)[0]"),
    same("torch.arange(6).view(2, 3)"),
    same("torch.linspace(0, 1, 5, dtype=torch.float64)"),
    same("torch.from_numpy(A)"),
    Idiom(
        "torch.manual_seed(0)\ntorch.randn(2, 3).shape",
        "g = np.random.default_rng(0)\ndl.randn(2, 3, generator=g).shape",
        "No hidden state: what draws random numbers is given a generator. The numbers differ.",
    ),
    # Asking
    Idiom(
        "list(a.size())",
        "list(a.shape)",
        "size is NumPy's: a property, the number of elements. numel() is PyTorch's name for it.",
    ),
    same("[a.dim(), a.numel(), a.ndim]"),
    same("a.sum().item()"),
    same("a.tolist()"),
    same("f'{a.mean():.3f}'"),
    same("a.detach().numpy()"),
    Idiom(
        "a.data.mul(2.0)",
        "a.detach().mul(2.0)",
        "data is the NumPy array itself. detach() gives a tensor, in both.",
    ),
    # Arithmetic, shapes
    same("a % 0.3 + a // 0.3"),
    same("torch.clamp(a, min=0.5, max=1.0) + a.pow(2)"),
    same("torch.where(a > 1, a, b)"),
    same("a.masked_fill(a > 1, 0.0)"),
    same("a.mm(a.t()) + a.matmul(a.mT)"),
    same("torch.cat([a, a], dim=1)"),
    same("torch.stack([a, a], dim=-1)"),
    same("a.unsqueeze(0).flatten(1).squeeze()"),
    same("a.view(3, 2).permute(1, 0).expand(4, -1, -1)"),
    Idiom(
        "a.unsqueeze(0).transpose(0, 2)",
        "dl.swapaxes(a.unsqueeze(0), 0, 2)",
        "transpose takes all axes in their new order, as in NumPy. swapaxes exchanges two.",
    ),
    Idiom(
        "[p.tolist() for p in torch.split(a, 2, dim=1)]",
        "[p.tolist() for p in dl.split(a, [2], axis=1)]",
        "split takes the number of parts, or where to cut, as in NumPy; PyTorch takes the length "
        "of the parts. chunk(n) is the same in both.",
        trap="[list(p.shape) for p in lib.split(lib.arange(6), 2)]",
    ),
    same("[p.tolist() for p in a.chunk(2, dim=1)]"),
    # Reductions
    same("a.sum(dim=1, keepdim=True)", "axis= and keepdims= are the same, in NumPy's words."),
    same(
        "list(a.max(dim=1))",
        "With dim= max, min, sort and topk give (values, indices) as in PyTorch; with axis=, or by "
        "position, the values alone, as in NumPy.",
        trap="type(a.max(1)).__name__ == 'Tensor'",
    ),
    Idiom("torch.sort(a, dim=1).values", "dl.sort(a, axis=1)"),
    Idiom(
        "a.amax(dim=1)",
        "a.max(axis=1)",
        "Elements that tie share the gradient, as for amax.",
    ),
    Idiom(
        "a.var()",
        "a.var(ddof=1)",
        "The divisor is n, as in NumPy and TensorFlow; PyTorch's default is n - 1.",
        trap="a.var()",
    ),
    Idiom("a.std(correction=0)", "a.std()", "As for var.", trap="a.std()"),
    same("[(a > 1).any(), (a > 0).all()]"),
    # Derivatives
    same("(a * b).sum().backward()\n[a.grad, b.grad]"),
    same("(a * b).sum().backward(inputs=[a])\n[a.grad, b.grad]"),
    Idiom(
        "torch.autograd.grad((a * a).sum(), [a])[0]",
        "dl.gradients((a * a).sum(), [a])[0]",
        "For an input without an influence the result is None; PyTorch wants allow_unused=True.",
    ),
    Idiom(
        "torch.func.grad(lambda p: (p['w'] ** 2).sum())({'w': a})['w']",
        "dl.grad(lambda p: (p['w'] ** 2).sum())({'w': a})['w']",
    ),
    Idiom("torch.func.hessian(lambda v: (v**3).sum())(b)", "dl.hessian(lambda v: (v**3).sum())(b)"),
    Idiom("torch.func.vmap(torch.dot)(a, a)", "dl.vmap(dl.matmul)(a, a)"),
    Idiom(
        "torch.func.jacrev(torch.sin)(b)",
        "dl.jacobian(dl.sin)(b)",
        "jacobian is reverse mode: a sweep for each element of the result.",
    ),
    same("with torch.no_grad():\n    a -= 0.1 * a\na"),
    same("@torch.no_grad\ndef f():\n    return a * 2\nf().requires_grad"),
    same("with torch.set_grad_enabled(False):\n    y = a * 2\ny.requires_grad"),
    same("a.detach().clone().requires_grad_().requires_grad"),
    Idiom(
        "y = a * 1.0\ny[0] = 0.0\ny",
        "y = dl.where(np.array([[True], [False]]), 0.0, a)\ny",
        "A tensor whose gradient is recorded cannot be changed in place; the error says so.",
    ),
    Idiom(
        "with torch.no_grad():\n    a.add_(b, alpha=2.0)\na",
        "with dl.no_grad():\n    a.add_(b, alpha=2.0)\na",
    ),
    # Functions of layers, losses
    Idiom("F.relu(a - 1) + F.softmax(a, dim=1)", "dl.relu(a - 1) + dl.softmax(a, dim=1)"),
    Idiom("F.one_hot(k, 4).double()", "dl.one_hot(k, 4)"),
    Idiom("F.cross_entropy(a, k)", "losses.cross_entropy(a, k)"),
    Idiom("F.mse_loss(a, 2 * a)", "losses.mse(a, 2 * a)"),
    # Training
    Idiom(
        "w = torch.nn.Parameter(a.detach().clone())\n"
        "o = torch.optim.SGD([w], lr=0.1, momentum=0.9)\n"
        "for _ in range(3):\n    o.zero_grad()\n    (w * w).sum().backward()\n    o.step()\nw",
        "w = dl.tensor(A, requires_grad=True)\n"
        "o = optimizers.SGD([w], lr=0.1, momentum=0.9)\n"
        "for _ in range(3):\n    o.zero_grad()\n    (w * w).sum().backward()\n    o.step()\nw",
        "There is no class Parameter: a parameter is a Tensor that requires a gradient.",
    ),
    module("nn.LeakyReLU(0.1)(a - 1) + nn.Softplus()(a)"),
    module("nn.MSELoss()(a, 2 * a) + nn.CrossEntropyLoss(label_smoothing=0.1)(a, k)"),
    module("[type(m).__name__ for m in nn.Sequential(nn.Linear(3, 2), nn.ReLU()).children()]"),
    module("m = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])\nlen(list(m.parameters()))"),
    module(
        "seen = []\nm = nn.Identity()\n"
        "m.register_forward_hook(lambda m, x, y: seen.append(list(y.shape)))\nm(a)\nseen"
    ),
    Idiom(
        "list(nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True)"
        "(torch.ones(5, 7, 3))[0].shape)",
        "list(nn.GRU(3, 4, num_layers=2, bidirectional=True)(dl.ones(5, 7, 3))[0].shape)",
        "The examples come first in every layer: batch_first=True is the default.",
        trap="list(nn.GRU(3, 4)(lib.ones(5, 7, 3))[1].shape)",
    ),
    Idiom(
        "o = torch.optim.SGD([a], lr=1.0)\n"
        "one = torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=4)\n"
        "two = torch.optim.lr_scheduler.ExponentialLR(o, 0.9)\n"
        "for _ in range(6):\n    o.step()\n    one.step()\n    two.step()\no.param_groups[0]['lr']",
        "o = optimizers.SGD([a], lr=1.0)\n"
        "one = optimizers.LinearLR(o, 0.1, total_iters=4)\n"
        "two = optimizers.ExponentialLR(o, 0.9)\n"
        "for _ in range(6):\n    one.step()\n    two.step()\no.lr",
    ),
    Idiom(
        "(a * a).sum().backward()\nn = nn.utils.clip_grad_norm_([a], 1.0, norm_type=1)\n"
        "[n, a.grad]",
        "(a * a).sum().backward()\nn = optimizers.clip_grad_norm_([a], 1.0, norm_type=1)\n"
        "[n, a.grad]",
    ),
]

TENSORFLOW = [
    Idiom("tf.constant([1.0, 2.0], tf.float64)", "dl.tensor([1.0, 2.0])"),
    Idiom(
        "tf.Variable(A) * 2.0",
        "dl.tensor(A, requires_grad=True) * 2.0",
        "A variable is a Tensor that requires a gradient.",
    ),
    Idiom("tf.reduce_sum(a, axis=1, keepdims=True)", "dl.sum(a, axis=1, keepdims=True)"),
    Idiom("tf.reduce_mean(a)", "a.mean()"),
    Idiom("tf.math.reduce_variance(a)", "a.var()"),
    Idiom("tf.reduce_any(a > 1.0, axis=0)", "dl.any(a > 1.0, axis=0)"),
    Idiom("tf.matmul(a, a, transpose_b=True)", "a @ a.T"),
    Idiom("tf.concat([a, a], axis=1)", "dl.concatenate([a, a], axis=1)"),
    Idiom("tf.expand_dims(a, 0)", "dl.expand_dims(a, 0)"),
    Idiom("tf.cast(k, tf.float64)", "k.astype(float)"),
    Idiom("tf.clip_by_value(a, 0.5, 1.0)", "a.clip(0.5, 1.0)"),
    Idiom("tf.math.floormod(a, 0.3)", "a % 0.3"),
    Idiom("tf.one_hot(k, 4, dtype=tf.float64)", "dl.one_hot(k, 4)"),
    Idiom("tf.gather(a, [1, 0])", "a[[1, 0]]"),
    Idiom(
        "with tf.GradientTape() as tape:\n    y = tf.reduce_sum(a * b)\ntape.gradient(y, [a, b])",
        "with dl.GradientTape() as tape:\n    y = dl.sum(a * b)\ntape.gradient(y, [a, b])",
    ),
    Idiom(
        "with tf.GradientTape() as tape:\n    y = a * a\ntape.gradient(y, a)",
        "(a * a).backward(np.ones((2, 3)))\na.grad",
        "backward() wants the gradient of a result that is no scalar; a tape sums it up unasked.",
    ),
    Idiom("tf.stop_gradient(a) * 2.0", "dl.stop_gradient(a) * 2.0"),
    Idiom("a.assign_sub(0.1 * a)\na", "with dl.no_grad():\n    a.sub_(0.1 * a)\na"),
    Idiom(
        "f = tf.function(lambda v: tf.tanh(v) * v)\nf(b)",
        "f = graphs.function(lambda v: dl.tanh(v) * v)\nf(b)",
        "A Python if on a value is an error in a traced function: use where, cond or while_loop.",
    ),
    Idiom(
        "tf.keras.losses.MeanSquaredError()(2.0 * A, A)",
        "losses.mse(dl.tensor(A), 2.0 * A)",
        "The prediction comes first, as in PyTorch; in Keras the truth does.",
    ),
    Idiom(
        "tf.keras.losses.sparse_categorical_crossentropy(k, a, from_logits=True)",
        "losses.cross_entropy(a, k, reduction='none')",
    ),
    Idiom(
        "w = tf.Variable(A)\no = tf.keras.optimizers.SGD(0.25)\n"
        "o.apply_gradients([(tf.constant(2.0 * A), w)])\nw",
        "w = dl.tensor(A, requires_grad=True)\no = optimizers.SGD([w], lr=0.25)\n"
        "w.grad = dl.tensor(2.0 * A)\no.step()\nw",
        "An optimizer knows its parameters, and reads their grad.",
    ),
]

JAX = [
    Idiom("jnp.sum(jnp.sin(a), axis=1)", "dl.sum(dl.sin(a), axis=1)"),
    Idiom(
        "a.at[0].set(0.0)",
        "dl.where(np.array([[True], [False]]), 0.0, a)",
        "A tensor that requires no gradient may be changed in place: t[0] = 0.0.",
    ),
    Idiom(
        "jax.grad(lambda v: jnp.sum(v**3))(b)",
        "dl.grad(lambda v: dl.sum(v**3))(b)",
        "The function that is differentiated is written with dlcourse's operations, or NumPy's "
        "functions of the same names.",
    ),
    Idiom(
        "jax.value_and_grad(lambda p: jnp.sum(p['w'] * p['w']))({'w': a})",
        "dl.value_and_grad(lambda p: dl.sum(p['w'] * p['w']))({'w': a})",
    ),
    Idiom(
        "jax.grad(lambda u, v: jnp.sum(u * v), argnums=(0, 1))(a, b)",
        "dl.grad(lambda u, v: dl.sum(u * v), argnums=(0, 1))(a, b)",
    ),
    Idiom(
        "jax.vjp(jnp.exp, b)[1](jnp.ones(3))",
        "dl.vjp(dl.exp, b)[1](np.ones(3))",
    ),
    Idiom("jax.jvp(jnp.exp, (b,), (b,))", "dl.jvp(dl.exp, (b,), (b,))"),
    Idiom(
        "jax.jacobian(jnp.sin)(b)",
        "dl.jacobian(dl.sin)(b)",
        "There is no jacfwd: jvp is forward mode, a direction at a time.",
    ),
    Idiom("jax.hessian(lambda v: jnp.sum(v**3))(b)", "dl.hessian(lambda v: dl.sum(v**3))(b)"),
    Idiom(
        "jax.vmap(lambda u, v: u @ v, in_axes=(0, None), out_axes=0)(a, b)",
        "dl.vmap(lambda u, v: u @ v, in_axes=(0, None), out_axes=0)(a, b)",
    ),
    Idiom(
        "jax.vmap(lambda p: p['x'] * p['y'], in_axes=({'x': 0, 'y': None},))({'x': a, 'y': b})",
        "dl.vmap(lambda p: p['x'] * p['y'], in_axes=({'x': 0, 'y': None},))({'x': a, 'y': b})",
    ),
    Idiom("jax.jit(lambda v: jnp.tanh(v) * v)(b)", "graphs.function(lambda v: dl.tanh(v) * v)(b)"),
    Idiom("jax.lax.stop_gradient(a)", "dl.stop_gradient(a)"),
    Idiom("jax.nn.one_hot(k, 4, dtype=a.dtype)", "dl.one_hot(k, 4)"),
    Idiom(
        "jax.random.normal(jax.random.key(0), (2, 3)).shape",
        "dl.randn(2, 3, generator=np.random.default_rng(0)).shape",
        "A generator of NumPy moves on when it is drawn from; a key of JAX does not.",
    ),
]

IDIOMS = {"PyTorch": PYTORCH, "TensorFlow": TENSORFLOW, "JAX": JAX}
