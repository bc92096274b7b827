"""The table of primitives: for each operation its value and its derivative rules.

A row reads ``name = primitive("name", kernel, meaning, a=rule, b=rule)``:

- ``kernel`` computes the value from raw NumPy arrays (the longer ones are in `kernels`);
- there is one rule for each array argument, in order and under its name. ``g`` is the gradient
  of the loss with respect to the result ``y``; the rule returns the gradient with respect to its
  argument, a vector-Jacobian product. ``None`` marks an argument that has no derivative.

Rules are written with the operations of this table and with operators, never with ``np``. So the
same rule runs on raw arrays (fast backward), on Tensors (derivatives of derivatives) and on Symbols
(a static graph). Each argument has a rule of its own, so that a gradient nobody asked for is not
computed.

A rule may ignore broadcasting: the driver of the rules passes each result through `unbroadcast`,
the one place where broadcasting is undone. Rules of more than one line are in `rules`.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from dlcourse.ops import batch_rules, convolution, error_function, fast, kernels, pairs, rules
from dlcourse.ops.primitive import Primitive, elementwise, primitive
from dlcourse.ops.rules import reduced_count, restore_axes

# fmt: off
# Arithmetic
add = elementwise("add", np.add, "a + b", neutral={"a": 0, "b": 0},
    a=lambda g, y, a, b: g,
    b=lambda g, y, a, b: g)
subtract = elementwise("subtract", np.subtract, "a - b", neutral={"b": 0},
    a=lambda g, y, a, b: g,
    b=lambda g, y, a, b: -g)
multiply = elementwise("multiply", np.multiply, "a * b", neutral={"a": 1, "b": 1},
    a=lambda g, y, a, b: g * b,
    b=lambda g, y, a, b: g * a)
divide = elementwise("divide", np.true_divide, "a / b", neutral={"b": 1},
    a=lambda g, y, a, b: g / b,
    b=lambda g, y, a, b: -g * y / b)
divide_or_zero: Primitive = elementwise("divide_or_zero", kernels.divide_or_zero,
    "a / b, but 0 where b is 0; there its derivative does not exist and is infinite or nan",
    a=lambda g, y, a, b: g / b,
    b=lambda g, y, a, b: -g * y / b)
negative = elementwise("negative", np.negative, "-a",
    a=lambda g, y, a: -g)
reciprocal = elementwise("reciprocal", lambda a, out=None: np.true_divide(1, a, out=out), "1 / a",
    a=lambda g, y, a: -g * y * y)
power = elementwise("power", operator.pow, "a ** b", neutral={"b": 1},
    a=rules.power_a,
    b=rules.power_b)
remainder = elementwise("remainder", np.remainder, "a % b, with the sign of b",
    a=lambda g, y, a, b: g,
    b=lambda g, y, a, b: -g * floor_divide(a, b))
floor_divide: Primitive = elementwise("floor_divide", np.floor_divide,
    "a // b, the largest whole number <= a / b",
    a=lambda g, y, a, b: g * 0,
    b=lambda g, y, a, b: g * 0)

# Powers, exponentials, logarithms
square = elementwise("square", np.square, "a ** 2",
    a=lambda g, y, a: g * 2 * a)
sqrt = elementwise("sqrt", np.sqrt, "the square root",
    a=lambda g, y, a: g / (2 * y))
rsqrt = elementwise("rsqrt", kernels.rsqrt, "1 / sqrt(a)",
    a=lambda g, y, a: g * y * y * y / -2)
exp = elementwise("exp", np.exp, "e ** a",
    a=lambda g, y, a: g * y)
expm1 = elementwise("expm1", np.expm1, "exp(a) - 1, exact also for small a",
    a=lambda g, y, a: g * (y + 1))
log = elementwise("log", np.log, "the natural logarithm",
    a=lambda g, y, a: g / a)
log1p = elementwise("log1p", np.log1p, "log(1 + a), exact also for small a",
    a=lambda g, y, a: g / (1 + a))

# Trigonometric and hyperbolic functions
sin = elementwise("sin", np.sin, "the sine of a, in radians",
    a=lambda g, y, a: g * cos(a))
cos: Primitive = elementwise("cos", np.cos, "the cosine of a, in radians",
    a=lambda g, y, a: -g * sin(a))
tan = elementwise("tan", np.tan, "the tangent of a, in radians",
    a=lambda g, y, a: g * (1 + y * y))
arctan = elementwise("arctan", np.arctan,
    "the angle in radians, within pi / 2 of 0, whose tangent is a",
    a=lambda g, y, a: g / (1 + a * a))
arctan2 = elementwise("arctan2", np.arctan2,
    "the angle in radians of the point with height a, width b",
    a=lambda g, y, a, b: g * (b / hypot(a, b)) / hypot(a, b),
    b=lambda g, y, a, b: -g * (a / hypot(a, b)) / hypot(a, b))
hypot: Primitive = elementwise("hypot", np.hypot,
    "sqrt(a ** 2 + b ** 2), without overflow; its derivative at (0, 0) is nan",
    a=lambda g, y, a, b: g * (a / y),
    b=lambda g, y, a, b: g * (b / y))
sinh = elementwise("sinh", np.sinh, "the hyperbolic sine",
    a=lambda g, y, a: g * cosh(a))
cosh: Primitive = elementwise("cosh", np.cosh, "the hyperbolic cosine",
    a=lambda g, y, a: g * sinh(a))
tanh = elementwise("tanh", np.tanh, "the hyperbolic tangent",
    a=lambda g, y, a: g * (1 - y * y))
erf = elementwise("erf", error_function.erf,
    "the error function, 2 / sqrt(pi) times the integral of exp(-t ** 2) from 0 to a",
    a=lambda g, y, a: g * (2 / math.sqrt(math.pi)) * exp(-a * a))
erfc: Primitive = elementwise("erfc", error_function.erfc, "1 - erf(a), exact also for large a",
    a=lambda g, y, a: g * (-2 / math.sqrt(math.pi)) * exp(-a * a))

# Activations
sigmoid = elementwise("sigmoid", kernels.sigmoid, "1 / (1 + exp(-a))",
    expand=rules.expand_sigmoid,
    a=lambda g, y, a: g * y * (1 - y))
relu = elementwise("relu", kernels.relu,
    "max(a, 0); its derivative at 0 is taken as 0",
    expand=lambda a: maximum(a, 0),
    a=lambda g, y, a: where(y != 0, g, 0))
leaky_relu = elementwise("leaky_relu", kernels.leaky_relu,
    "a where a > 0, else negative_slope * a",
    expand=lambda a, negative_slope=0.01: maximum(a, 0) + negative_slope * minimum(a, 0),
    a=lambda g, y, a, negative_slope=0.01: where(greater(a, 0), g, g * negative_slope))
elu = elementwise("elu", kernels.elu, "a where a > 0, else alpha * (exp(a) - 1)",
    expand=lambda a, alpha=1.0: maximum(a, 0) + alpha * expm1(minimum(a, 0)),
    a=lambda g, y, a, alpha=1.0:
        where(less_equal(a, 0), g * alpha * exp(where(less(a, 0), a, 0)), g))
softplus = elementwise("softplus", kernels.softplus, "log(1 + exp(a)), without overflow",
    expand=lambda a: maximum(a, 0) + log1p(exp(-abs(a))),
    a=lambda g, y, a: g * sigmoid(a))
silu = elementwise("silu", kernels.silu, "a * sigmoid(a)",
    expand=lambda a: a * sigmoid(a),
    a=rules.silu_a)
gelu = elementwise("gelu", kernels.gelu,
    "a * P(Z <= a) for a standard normal Z; approximate='tanh' for the formula with tanh",
    a=rules.gelu_a)

# Absolute value, limits, rounding
abs: Primitive = elementwise("abs", np.abs, "the absolute value; its derivative at 0 is taken as 0",
    a=lambda g, y, a: g * sign(a))
sign: Primitive = elementwise("sign", np.sign, "-1, 0 or 1",
    a=lambda g, y, a: g * 0)
clip = elementwise("clip", kernels.clip,
    "a, but not below low nor above high; the derivative at a limit is taken as 1",
    a=lambda g, y, a, low=None, high=None: where(equal(y, a), g, 0))
floor = elementwise("floor", np.floor, "the largest whole number <= a",
    a=lambda g, y, a: g * 0)
ceil = elementwise("ceil", np.ceil, "the smallest whole number >= a",
    a=lambda g, y, a: g * 0)
round = elementwise("round", np.rint, "the nearest whole number; halves go to the even one",
    a=lambda g, y, a: g * 0)

# Comparisons and logic have no derivative
equal: Primitive = elementwise("equal", np.equal, "a == b", a=None, b=None)
not_equal: Primitive = elementwise("not_equal", np.not_equal, "a != b", a=None, b=None)
less: Primitive = elementwise("less", np.less, "a < b", a=None, b=None)
less_equal: Primitive = elementwise("less_equal", np.less_equal, "a <= b", a=None, b=None)
greater: Primitive = elementwise("greater", np.greater, "a > b", a=None, b=None)
greater_equal: Primitive = elementwise("greater_equal", np.greater_equal, "a >= b", a=None, b=None)
logical_and = elementwise("logical_and", np.logical_and, "whether both are true (not 0)",
    a=None, b=None)
logical_or = elementwise("logical_or", np.logical_or, "whether at least one is true (not 0)",
    a=None, b=None)
logical_not = elementwise("logical_not", np.logical_not, "whether a is false (0)", a=None)
isnan = elementwise("isnan", np.isnan, "whether a is not a number", a=None)
isfinite = elementwise("isfinite", np.isfinite, "whether a is neither infinite nor nan", a=None)

# Choices; where a and b tie, each receives half
where: Primitive = elementwise("where", kernels.where,
    "a where the condition c holds, else b",
    expand=fast.expand_where,
    c=None,
    a=lambda g, y, c, a, b: where(c, g, 0),
    b=lambda g, y, c, a, b: where(c, 0, g))
maximum: Primitive = elementwise("maximum", np.maximum, "the larger of a and b",
    a=lambda g, y, a, b: where(equal(a, b), g / 2, where(less(a, b), 0, g)),
    b=lambda g, y, a, b: where(equal(a, b), g / 2, where(greater(a, b), 0, g)))
minimum: Primitive = elementwise("minimum", np.minimum, "the smaller of a and b",
    a=lambda g, y, a, b: where(equal(a, b), g / 2, where(greater(a, b), 0, g)),
    b=lambda g, y, a, b: where(equal(a, b), g / 2, where(less(a, b), 0, g)))

# Reductions
sum = primitive("sum", kernels.sum, "the sum over axis",
    batch=batch_rules.over_axes, specialise=fast.sum, expand=fast.expand_sum,
    a=lambda g, y, a, axis=None, keepdims=False:
        broadcast_to(restore_axes(g, a, axis), shape=a.shape))
mean: Primitive = primitive("mean", kernels.mean, "the mean over axis",
    batch=batch_rules.over_axes,
    expand=lambda a, axis=None, keepdims=False:
        sum(a, axis=axis, keepdims=keepdims) / reduced_count(a.shape, axis),
    a=lambda g, y, a, axis=None, keepdims=False:
        broadcast_to(restore_axes(rules.widened(g) / (reduced_count(a.shape, axis) or 1), a, axis),
            shape=a.shape))
prod = primitive("prod", kernels.prod, "the product over axis",
    batch=batch_rules.over_axes, a=rules.prod_a)
var = primitive("var", kernels.var,
    "the mean of (a - mean(a)) ** 2 over n elements of axis, with the divisor n - ddof",
    batch=batch_rules.over_axes, a=rules.var_a)
std = primitive("std", kernels.std,
    "sqrt(var(a)); its derivative at 0 is taken as 0, its second derivative as nan",
    batch=batch_rules.over_axes, a=rules.std_a)
norm = primitive("norm", kernels.norm,
    "the Euclidean norm, sqrt(sum(a ** 2)) over axis; at 0, its derivative is taken as 0, its "
    "second derivative as nan",
    batch=batch_rules.over_axes,
    expand=lambda a, axis=None, keepdims=False: sqrt(sum(square(a), axis=axis, keepdims=keepdims)),
    a=lambda g, y, a, axis=None, keepdims=False:
        restore_axes(g, a, axis) * divide_or_zero(a, restore_axes(y, a, axis)))
max = primitive("max", kernels.max, "the largest element over axis; ties share the gradient",
    batch=batch_rules.over_axes, specialise=fast.largest, pair=pairs.largest,
    a=rules.share_among_extremes)
min = primitive("min", kernels.min, "the smallest element over axis; ties share the gradient",
    batch=batch_rules.over_axes, specialise=fast.smallest, pair=pairs.smallest,
    a=rules.share_among_extremes)
argmax = primitive("argmax", kernels.argmax,
    "the position of the first largest element along axis",
    batch=batch_rules.position_along_axis, a=None)
argmin = primitive("argmin", kernels.argmin,
    "the position of the first smallest element along axis",
    batch=batch_rules.position_along_axis, a=None)
any = primitive("any", kernels.any, "whether an element over axis is true (not 0)",
    batch=batch_rules.over_axes, a=None)
all = primitive("all", kernels.all, "whether all elements over axis are true (not 0)",
    batch=batch_rules.over_axes, a=None)
logsumexp = primitive("logsumexp", kernels.logsumexp,
    "log(sum(exp(a))) over axis, without overflow",
    batch=batch_rules.over_axes,
    a=lambda g, y, a, axis=None, keepdims=False:
        restore_axes(g, a, axis) * exp(a - restore_axes(where(y == -np.inf, 0, y), a, axis)))

# Along an axis
softmax = primitive("softmax", kernels.softmax, "exp(a) / sum(exp(a)) along axis, without overflow",
    batch=batch_rules.along_axis, expand=rules.expand_softmax,
    a=rules.softmax_a)
log_softmax = primitive("log_softmax", kernels.log_softmax,
    "log(softmax(a)) along axis, without overflow",
    batch=batch_rules.along_axis, expand=rules.expand_log_softmax,
    a=rules.log_softmax_a)
cumsum: Primitive = primitive("cumsum", kernels.cumsum,
    "the sums of the first 1, 2, ... elements along axis",
    batch=batch_rules.along_axis,
    a=lambda g, y, a, axis: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis))
sort = primitive("sort", kernels.sort, "the elements in ascending order along axis",
    batch=batch_rules.along_axis, pair=pairs.sorted_pair,
    a=lambda g, y, a, axis=-1:
        scatter_add_along_axis(g, argsort(a, axis=axis), axis=axis, shape=a.shape))
argsort: Primitive = primitive("argsort", kernels.argsort,
    "the indices that sort a along axis; equal elements keep their order",
    batch=batch_rules.along_axis, a=None)

# Losses
log_cosh = elementwise("log_cosh", kernels.log_cosh, "log(cosh(a)), without overflow",
    a=lambda g, y, a: g * tanh(a))
binary_cross_entropy: Primitive = elementwise(
    "binary_cross_entropy", kernels.binary_cross_entropy,
    "-(t * log(p) + (1 - t) * log(1 - p)), each logarithm at least -100",
    p=lambda g, y, p, t: g * (p - t) / maximum(p * (1 - p), 1e-12),
    t=lambda g, y, p, t: g * (binary_cross_entropy(p, 1) - binary_cross_entropy(p, 0)))

# Linear algebra
matmul: Primitive = primitive("matmul", kernels.matmul,
    "a @ b, vectors and batches as in np.matmul",
    batch=batch_rules.matmul, specialise=fast.matmul, a=rules.matmul_a,
    b=rules.matmul_b)
linear = primitive("linear", kernels.linear, "x @ weight.T + bias, with weight (out, in)",
    batch=batch_rules.linear,
    expand=lambda x, weight, bias: matmul(x, transpose(weight)) + bias,
    x=lambda g, y, x, weight, bias: matmul(g, weight),
    weight=lambda g, y, x, weight, bias: matmul(rules.rows(g).T, rules.rows(x)),
    bias=lambda g, y, x, weight, bias: sum(rules.rows(g), axis=0))
_einsum: Primitive = primitive("einsum", kernels.einsum,  # ops.einsum calls it
    "the product of arrays whose axes have letters, summed over the letters not in the result",
    batch=batch_rules.einsum,
    each=rules.einsum_operand)
tril: Primitive = primitive("tril", kernels.tril, "a with zeros above diagonal k of each matrix",
    batch=batch_rules.unchanged,
    a=lambda g, y, a, k=0: tril(g, k=k))
triu: Primitive = primitive("triu", kernels.triu, "a with zeros below diagonal k of each matrix",
    batch=batch_rules.unchanged,
    a=lambda g, y, a, k=0: triu(g, k=k))

# Shapes and order
reshape: Primitive = primitive("reshape", kernels.reshape, "the same elements in another shape",
    is_view=True, batch=batch_rules.reshape,
    a=lambda g, y, a, shape: reshape(g, shape=a.shape))
transpose: Primitive = primitive("transpose", kernels.transpose, "the axes reversed, or reordered",
    is_view=True, batch=batch_rules.transpose,
    a=lambda g, y, a, axes=None: transpose(g, axes=rules.inverse_permutation(axes)))
broadcast_to: Primitive = primitive("broadcast_to", kernels.broadcast_to,
    "a, repeated to fill shape",
    is_view=True, batch=batch_rules.broadcast_to,
    a=lambda g, y, a, shape: g)
concatenate: Primitive = primitive("concatenate", kernels.concatenate,
    "arrays joined along axis",
    batch=batch_rules.along_axis,
    each=lambda i, g, y, *arrays, axis=0: rules.part(g, i, arrays, axis))
pad: Primitive = primitive("pad", kernels.pad,
    "a between pad_width = ((before, after), ...) elements of the given value along each axis",
    batch=batch_rules.pad,
    a=lambda g, y, a, pad_width, value=0: getitem(g, index=rules.unpadded(a.shape, pad_width)))
flip: Primitive = primitive("flip", kernels.flip, "the elements in reverse order along axis",
    is_view=True, batch=batch_rules.over_axes,
    a=lambda g, y, a, axis=None: flip(g, axis=axis))
roll: Primitive = primitive("roll", kernels.roll,
    "the elements moved by shift along axis; those that leave at the end return at the start",
    batch=batch_rules.roll,
    a=lambda g, y, a, shift, axis=None: roll(g, shift=rules.negated(shift), axis=axis))
tile = primitive("tile", kernels.tile, "a laid side by side, reps[i] times along axis i",
    batch=batch_rules.tile, a=rules.tile_a)
repeat = primitive("repeat", kernels.repeat, "each element repeats times in a row along axis",
    batch=batch_rules.along_axis, a=rules.repeat_a)

# Indexing
getitem: Primitive = primitive("getitem", kernels.getitem,
    "a[index], with every index that NumPy has",
    is_view=kernels.is_basic, batch=batch_rules.part,
    a=lambda g, y, a, index: scatter_add(g, index=index, shape=a.shape))
scatter_add: Primitive = primitive("scatter_add", kernels.scatter_add,
    "zeros of the given shape with a added at index; repeated indices add up",
    batch=batch_rules.part,
    a=lambda g, y, a, index, shape: getitem(g, index=index))
add_at: Primitive = primitive("add_at", kernels.add_at,
    "a with b added at index; repeated indices add up",
    batch=batch_rules.add_at,
    a=lambda g, y, a, b, index: g,
    b=lambda g, y, a, b, index: getitem(g, index=index))
take_along_axis: Primitive = primitive("take_along_axis", kernels.take_along_axis,
    "of each line along axis the elements at indices, which may be computed",
    batch=batch_rules.along_axis,
    a=lambda g, y, a, indices, axis=-1:
        scatter_add_along_axis(g, indices, axis=axis, shape=a.shape),
    indices=None)
scatter_add_along_axis: Primitive = primitive(
    "scatter_add_along_axis", kernels.scatter_add_along_axis,
    "zeros of the given shape with a added at indices of each line along axis; repeats add up",
    batch=batch_rules.along_axis,
    a=lambda g, y, a, indices, shape, axis=-1: take_along_axis(g, indices, axis=axis),
    indices=None)

# Differentiation
stop_gradient = primitive("stop_gradient", lambda a: a,
    "a as a constant: the same value, through which no gradient flows",
    is_view=True, batch=batch_rules.unchanged, a=None)

# dtype
bitcast: Primitive = primitive("bitcast", kernels.bitcast,
    "the bits of a read as another dtype of the same size",
    is_view=True, batch=batch_rules.unchanged, a=None)
astype = primitive("astype", kernels.astype, "a in another dtype",
    batch=batch_rules.unchanged,
    a=lambda g, y, a, dtype: g)

# Networks; `how` stands for the parameters of a window: stride, padding, and what else there is
conv: Primitive = primitive("conv", convolution.conv,
    "convolution of x (N, C, ...) with weight (O, C / groups, ...), the kernel not flipped",
    batch=batch_rules.more_images,
    x=lambda g, y, x, weight, **how: conv_input(g, weight, shape=x.shape, **how),
    weight=lambda g, y, x, weight, **how: conv_weight(x, g, shape=weight.shape, **how))
conv_input: Primitive = primitive("conv_input", convolution.conv_input,
    "the transpose of conv: what the gradient a at its result gives at its input of that shape",
    batch=batch_rules.more_images,
    a=lambda g, y, a, weight, shape, **how: conv(g, weight, **how),
    weight=lambda g, y, a, weight, shape, **how: conv_weight(g, a, shape=weight.shape, **how))
conv_weight: Primitive = primitive("conv_weight", convolution.conv_weight,
    "what the gradient a at the result of conv gives at its weight of that shape",
    x=lambda g, y, x, a, shape, **how: conv_input(a, g, shape=x.shape, **how),
    a=lambda g, y, x, a, shape, **how: conv(x, g, **how))
max_pool = primitive("max_pool", convolution.max_pool,
    "the largest element in each window; the first of those that tie receives the gradient",
    batch=batch_rules.more_images,
    a=lambda g, y, a, **how: reshape(
        add_rows(g, max_pool_indices(a, **how), count=math.prod(a.shape)), shape=a.shape))
max_pool_indices: Primitive = primitive("max_pool_indices", convolution.max_pool_indices,
    "where, in a.reshape(-1), max_pool finds the element of each window", a=None)
sum_pool: Primitive = primitive("sum_pool", convolution.sum_pool, "the sum over each window",
    batch=batch_rules.more_images,
    a=lambda g, y, a, **how: sum_pool_input(g, shape=a.shape, **how))
sum_pool_input: Primitive = primitive("sum_pool_input", convolution.sum_pool_input,
    "the transpose of sum_pool: each element of a is added at all places of its window",
    batch=batch_rules.more_images,
    a=lambda g, y, a, shape, **how: sum_pool(g, **how))
embedding: Primitive = primitive("embedding", kernels.embedding, "weight[indices], row by row",
    batch=batch_rules.embedding,
    weight=lambda g, y, weight, indices: add_rows(g, indices, count=weight.shape[0]),
    indices=None)
add_rows: Primitive = primitive("add_rows", kernels.add_rows,
    "count rows of zeros, with the rows of a added at indices; repeated indices add up",
    batch=batch_rules.add_rows,
    a=lambda g, y, a, indices, count: embedding(g, indices),
    indices=None)
dropout_mask = primitive("dropout_mask", kernels.dropout_mask,
    "0 with probability rate, else 1 / (1 - rate), for each element of a; drawn at each run",
    a=None, pure=False)
standardize = primitive("standardize", kernels.standardize,
    "(a - mean) / sqrt(variance + eps), both over axis",
    batch=batch_rules.over_axes, expand=rules.expand_standardize,
    a=rules.standardize_a)
# fmt: on
