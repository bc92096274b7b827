"""As a beginner would: loops over the numbers, generators, helper functions, no NumPy where it can be avoided."""

# %% local-derivatives-answer
import math


def each(function, *arrays):
    result = np.zeros(arrays[0].shape)
    for index in np.ndindex(result.shape):
        result[index] = function(*(float(x[index]) for x in arrays))
    return result


def add_rule(g, y, a, b):
    return g, g


def subtract_rule(g, y, a, b):
    return g, each(lambda u: -u, g)


def multiply_rule(g, y, a, b):
    return each(lambda u, v: u * v, g, b), each(lambda u, v: u * v, g, a)


def divide_rule(g, y, a, b):
    return each(lambda u, v: u / v, g, b), each(lambda u, v, w: -u * v / (w * w), g, a, b)


def exp_rule(g, y, a):
    return each(lambda u, v: u * math.exp(v), g, a)


def log_rule(g, y, a):
    return each(lambda u, v: u / v, g, a)


def tanh_rule(g, y, a):
    return each(lambda u, v: u * (1 - math.tanh(v)) * (1 + math.tanh(v)), g, a)


def relu_rule(g, y, a):
    return each(lambda u, v: u if v > 0 else 0.0, g, a)


# %% unbroadcast-answer
def unbroadcast(g, shape):
    result = np.zeros(shape)
    skip = len(g.shape) - len(shape)
    for index in np.ndindex(g.shape):
        place = tuple(0 if n == 1 else i for i, n in zip(index[skip:], shape))
        result[place] += g[index]
    return result


# %% shape-rules-answer
def matmul_rule(g, y, a, b):
    da, db = np.zeros(a.shape), np.zeros(b.shape)
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                da[i, k] += g[i, j] * b[k, j]
                db[k, j] += a[i, k] * g[i, j]
    return da, db


def sum_rule(g, y, a, axis=None, keepdims=False):
    if axis is None:
        return np.full(a.shape, float(np.sum(g)))
    axis = axis % a.ndim
    result = np.zeros(a.shape)
    for index in np.ndindex(a.shape):
        middle = (0,) if keepdims else ()
        result[index] = g[index[:axis] + middle + index[axis + 1 :]]
    return result


# %% topological-order-answer
def unseen(node, seen):
    for parent in node.parents:
        if id(parent) not in seen:
            return parent
    return None


def topological_order(root):
    order, seen, path = [], {id(root)}, [root]
    while path:
        parent = unseen(path[-1], seen)
        if parent is None:
            order.append(path.pop())
        else:
            seen.add(id(parent))
            path.append(parent)
    return tuple(order)


# %% accumulation-answer
def propagate(order, gradient):
    shares = {node: [] for node in order}
    shares[order[-1]].append(gradient)
    result = {}
    for node in list(order)[::-1]:
        result[node] = sum(shares[node])
        if node.parents != ():
            given = list(node.pullback(result[node]))
            for number in range(len(node.parents)):
                shares[node.parents[number]].append(given[number])
    return result


# %% backward-answer
def backward(root, gradient=None):
    shape = root.value.shape
    if gradient is None:
        if shape not in [(), (1,), (1, 1)]:
            raise ValueError("not a single number")
        gradient = np.full(shape, 1.0)
    if gradient.shape != shape:
        raise ValueError("wrong shape")
    order = topological_order(root)
    gradients = propagate(order, gradient)
    for node in order:
        if len(node.parents) == 0:
            if node.grad is None:
                node.grad = np.zeros(node.value.shape)
            node.grad = node.grad + gradients[node]


# %% network-loss-answer
def square(node):
    return node * node


def network_loss(x, y, w1, b1, w2, b2):
    loss = Node(0.0)
    for i in range(len(x)):
        hidden = tanh(Node(x[i : i + 1]) @ w1 + b1)
        loss = loss + square((hidden @ w2 + b2).sum() - y[i, 0])
    return loss / float(len(x))


# %% training-answer
def clear(parameters):
    for parameter in parameters:
        parameter.grad = None


def one_step(x, y, parameters, learning_rate):
    clear(parameters)
    w1, b1, w2, b2 = parameters
    loss = network_loss(x=x, y=y, w1=w1, b1=b1, w2=w2, b2=b2)
    backward(root=loss)
    for parameter in (w1, b1, w2, b2):
        parameter.value = np.subtract(parameter.value, np.multiply(learning_rate, parameter.grad))
    clear(parameters)
    return loss.value


def train(x, y, parameters, learning_rate, steps):
    return [one_step(x, y, parameters, learning_rate) for _ in range(steps)]
