"""Hidden checks of the assignment 01-autodiff.

A probe drives the student's functions on inputs drawn from `rng` and yields what came out, case by
case, as plain data. It knows no answers: the same probe runs on the reference solution, and the
grader compares the two. Student code can look into the frame that calls it, so while it runs a
probe holds nothing but the inputs. Where a question builds on earlier ones, stand-ins take their
place that serve the probe's own graph only, so that one mistake is counted once.
"""

import numpy as np


def numbers(x):
    """The numbers of an array, a NumPy scalar or a float, in double precision; None stays None."""
    return None if x is None else np.array(x, dtype=np.float64)


def several(results):
    return None if results is None else [numbers(result) for result in results]


# Question 1: local derivatives

SHAPES = [(), (5,), (2, 3), (2, 1, 4)]


def try_rule(ns, rng, case, operation, forward, *inputs):
    """Call a rule once: yield what it returns, and its arguments after the call."""
    y = numbers(forward(*inputs))
    g = numbers(rng.normal(size=y.shape))
    result = ns[f"{operation}_rule"](g, y, *inputs)
    yield f"{operation}, {case}", numbers(result) if len(inputs) == 1 else several(result)
    yield f"{operation}, {case}, the arguments afterwards", [g, y, *inputs]


def try_binary(ns, rng, operation, forward):
    for shape in SHAPES:
        a, b = numbers(rng.normal(size=shape)), numbers(rng.normal(size=shape))
        b = numbers(np.copysign(np.abs(b) + 0.5, b))  # not near 0, for the quotient
        yield from try_rule(ns, rng, f"shape {shape}", operation, forward, a, b)


def try_unary(ns, rng, operation, forward, domain=lambda a: a):
    for shape in SHAPES:
        a = numbers(domain(2 * rng.normal(size=shape)))
        yield from try_rule(ns, rng, f"shape {shape}", operation, forward, a)


def add_and_subtract(ns, rng):
    """In one check, because a rule that returns (g, g) whatever the question is right for add."""
    yield from try_binary(ns, rng, "add", np.add)
    yield from try_binary(ns, rng, "subtract", np.subtract)


def multiply(ns, rng):
    return try_binary(ns, rng, "multiply", np.multiply)


def divide(ns, rng):
    return try_binary(ns, rng, "divide", np.divide)


def exp(ns, rng):
    return try_unary(ns, rng, "exp", np.exp)


def log(ns, rng):
    return try_unary(ns, rng, "log", np.log, lambda a: np.abs(a) + 0.1)


def tanh(ns, rng):
    return try_unary(ns, rng, "tanh", np.tanh)


def relu(ns, rng):
    def forward(a):
        return np.maximum(a, 0)

    yield from try_unary(ns, rng, "relu", forward)
    yield from try_rule(ns, rng, "a = 0", "relu", forward, np.array([1.5, 0.0, -2.0, 0.0]))


# Question 2: un-broadcasting


def try_unbroadcast(ns, rng, cases):
    for shape, stretched in cases:
        g = rng.normal(size=stretched)
        yield f"shape {shape}, g of shape {stretched}", numbers(ns["unbroadcast"](g, shape))


def added_axes(ns, rng):
    cases = [((4,), (3, 4)), ((2, 3), (5, 2, 3)), ((3,), (2, 4, 3)), ((), (3,)), ((), (2, 3))]
    return try_unbroadcast(ns, rng, cases)


def stretched_axes(ns, rng):
    cases = [((3, 1), (3, 4)), ((1, 4), (3, 4)), ((2, 1, 3), (2, 5, 3)), ((1, 2, 1), (4, 2, 3))]
    return try_unbroadcast(ns, rng, cases)


def both_and_neither(ns, rng):
    both = [((3, 1), (2, 3, 4)), ((1, 3), (4, 2, 3)), ((1,), (2, 3)), ((1, 1), (2, 3, 4, 5))]
    neither = [((2, 3), (2, 3)), ((3, 1), (3, 1)), ((), ())]
    yield from try_unbroadcast(ns, rng, both + neither)
    for shape, stretched in both + neither:
        g = rng.normal(size=stretched)
        ns["unbroadcast"](g, shape)
        yield f"shape {shape}, g of shape {stretched}: g afterwards", g


# Question 3: rules with shapes


def try_matmul(ns, rng, place):
    for n, m, p in [(2, 3, 4), (3, 3, 3), (1, 5, 2), (4, 1, 1)]:
        a, b, g = rng.normal(size=(n, m)), rng.normal(size=(m, p)), rng.normal(size=(n, p))
        arguments = g, a @ b, a, b
        result = ns["matmul_rule"](*arguments)
        yield f"({n}, {m}) @ ({m}, {p})", None if result is None else numbers(result[place])
        yield f"({n}, {m}) @ ({m}, {p}), the arguments afterwards", several(arguments)


def matmul_a(ns, rng):
    return try_matmul(ns, rng, 0)


def matmul_b(ns, rng):
    return try_matmul(ns, rng, 1)


def try_sum(ns, rng, cases):
    for shape, options in cases:
        a = rng.normal(size=shape)
        y = numbers(np.sum(a, **options))
        g = numbers(rng.normal(size=y.shape))
        named = "".join(f", {name}={value}" for name, value in options.items())
        result = ns["sum_rule"](g, y, a, **options)
        yield f"shape {shape}{named}", numbers(result)
        yield f"shape {shape}{named}, the arguments afterwards", [g, y, a]


def sum_of_everything(ns, rng):
    shapes = [(), (4,), (2, 3), (2, 3, 4)]
    kept = {"keepdims": True}
    return try_sum(ns, rng, [*((s, {}) for s in shapes), *((s, kept) for s in shapes)])


def sum_over_an_axis(ns, rng):
    cases = [((4,), 0), ((2, 3), 0), ((2, 3), 1), ((3, 3), 0), ((3, 3), 1), ((3, 3, 3), 1)]
    return try_sum(ns, rng, [(shape, {"axis": axis}) for shape, axis in cases])


def sum_over_a_negative_axis(ns, rng):
    cases = [((4,), -1), ((2, 3), -1), ((2, 3), -2), ((3, 3), -1), ((2, 3, 4), -2)]
    return try_sum(ns, rng, [(shape, {"axis": axis}) for shape, axis in cases])


def sum_with_keepdims(ns, rng):
    cases = [((4,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 4), 1), ((2, 3, 4), -1)]
    return try_sum(ns, rng, [(shape, {"axis": axis, "keepdims": True}) for shape, axis in cases])


# Question 4: the order. A graph is known by its root alone, and each node by its value. The memory
# holds nodes that the root was not computed from, too, and nothing says which those are.


def new_node(ns, rng, parents=()):
    return ns["Node"](rng.uniform(0.3, 0.7), parents)


def mixed(ns, rng, nodes):
    """The nodes among others that were computed from them and from each other, in no order."""
    for _ in range(3 + len(nodes) // 4):
        parents = [nodes[j] for j in rng.integers(0, len(nodes), size=2)]
        nodes = [*nodes, new_node(ns, rng, parents)]
    return [nodes[j] for j in rng.permutation(len(nodes))]


def random_graph(ns, rng, size):
    """The root of a graph of so many nodes, and all nodes that there are."""
    nodes = []
    for i in range(size - 1):
        count = rng.integers(0, 4) if i > 1 else 0
        nodes.append(new_node(ns, rng, [nodes[j] for j in rng.integers(0, max(i, 1), size=count)]))
    used = {id(parent) for node in nodes for parent in node.parents}
    ends = [node for node in nodes if id(node) not in used]
    before = mixed(ns, rng, nodes) if nodes else []
    root = new_node(ns, rng, [ends[j] for j in rng.permutation(len(ends))])
    return root, mixed(ns, rng, [*before, root])


def values_but(root, order):
    return sorted(float(node.value) for node in order if node is not root)


def every_node_once(ns, rng):
    for size in [1, 4, 6, 10, 20, 40]:
        root, _nodes = random_graph(ns, rng, size)
        order = list(ns["topological_order"](root))
        yield f"{size} nodes: the length of the list", len(order)
        yield f"{size} nodes: the root is in the list", sum(node is root for node in order)
        yield f"{size} nodes: the other nodes", values_but(root, order)


def flow(order, root):
    """What arrives at each node, in the same sequence for any topological order.

    One is laid at the root. In the order from its end each node adds what it has, times its value,
    to its parents. A node has its turn once, and whether it is in the order is not asked here.
    """
    nodes = {id(node): node for node in [*order, root]}
    amounts = {id(root): 1.0}
    for name in reversed(list(nodes)):
        for parent in nodes[name].parents:
            share = float(nodes[name].value) * amounts.get(name, 0.0)
            nodes.setdefault(id(parent), parent)
            amounts[id(parent)] = amounts.get(id(parent), 0.0) + share
    return sorted([float(node.value), amounts.get(name, 0.0)] for name, node in nodes.items())


def parents_first(ns, rng):
    for number, size in enumerate([1, 4, 6, 10, 10, 20, 40], start=1):
        root, _nodes = random_graph(ns, rng, size)
        yield f"graph {number}, {size} nodes", flow(ns["topological_order"](root), root)


def tower(ns, rng, storeys):
    """The top of a tower: from each storey two paths lead to the next, 2 ** storeys in all."""
    nodes = [new_node(ns, rng)]
    for _ in range(storeys):
        left, right = (new_node(ns, rng, [nodes[-1]]) for _ in range(2))
        nodes += [left, right, new_node(ns, rng, [left, right])]
    return nodes[-1], mixed(ns, rng, nodes[-20:])


def shared_nodes_once(ns, rng):
    for storeys in [2, 8, 100]:
        top, _nodes = tower(ns, rng, storeys)
        values = values_but(top, ns["topological_order"](top))
        yield f"2 to the power of {storeys} paths", values


def chain(ns, rng, size):
    nodes = [new_node(ns, rng)]
    for _ in range(size - 1):
        nodes.append(new_node(ns, rng, [nodes[-1]]))
    return nodes[-1], mixed(ns, rng, nodes[-20:])


def deep_chain(ns, rng):
    for size in [100, 10_000, 100_000]:
        end, _nodes = chain(ns, rng, size)
        values = values_but(end, ns["topological_order"](end))
        yield f"a chain of {size:,} nodes: how many", len(values)
        yield f"a chain of {size:,} nodes: which", values[:: max(size // 100, 1)]


# Question 5: the way back, on graphs whose pullbacks multiply by random numbers


def multiply_by(factors):
    return lambda g: tuple(factor * g for factor in factors)


def random_node(ns, rng, shape, parents=()):
    factors = rng.normal(size=(len(parents), *shape))
    value = rng.normal(size=shape)
    return ns["Node"](value, parents, multiply_by(factors)) if parents else ns["Node"](value)


def gradients_at(gradients, nodes):
    return {name: numbers(gradients[node]) for name, node in nodes.items() if node in gradients}


def single_path(ns, rng):
    for shape in [(), (3,), (2, 2)]:
        leaf = random_node(ns, rng, shape)
        order = [leaf]
        for _ in range(4):
            order.append(random_node(ns, rng, shape, [order[-1]]))
        gradients = ns["propagate"](order, numbers(rng.normal(size=shape)))
        yield f"shape {shape}: the leaf", gradients_at(gradients, {"leaf": leaf})


def every_node(ns, rng):
    for shape in [(), (3,), (2, 2)]:
        a, b, c = (random_node(ns, rng, shape) for _ in range(3))
        u = random_node(ns, rng, shape, [a, b])
        z = random_node(ns, rng, shape, [u, c])
        gradients = ns["propagate"]([a, b, c, u, z], numbers(rng.normal(size=shape)))
        yield (
            f"u from a and b, z from u and c, shape {shape}",
            gradients_at(gradients, {"z": z, "u": u, "c": c, "b": b, "a": a}),
        )


def shared_nodes(ns, rng):
    for shape in [(), (3,), (2, 2)]:
        x = random_node(ns, rng, shape)
        square = random_node(ns, rng, shape, [x, x])
        gradients = ns["propagate"]([x, square], numbers(rng.normal(size=shape)))
        yield f"x * x, shape {shape}", gradients_at(gradients, {"x": x})

        a, b = random_node(ns, rng, shape), random_node(ns, rng, shape)
        order = [a, b, random_node(ns, rng, shape, [a, b])]
        for i in range(3, 12):
            parents = [order[-1], *(order[j] for j in rng.integers(0, i, size=2))]
            order.append(random_node(ns, rng, shape, parents))
        gradients = ns["propagate"](order, numbers(rng.normal(size=shape)))
        yield f"12 nodes, shape {shape}: the leaves", gradients_at(gradients, {"a": a, "b": b})


def arrays_stay(ns, rng):
    """Pullbacks that give one array to several nodes, or that keep it for the next time."""
    for shape in [(), (3,), (2, 2)]:
        x, y = random_node(ns, rng, shape), random_node(ns, rng, shape)
        w = random_node(ns, rng, shape, [x])
        s = ns["Node"](rng.normal(size=shape), [x, y], lambda g: (g, g))
        factor = rng.normal(size=shape)
        z = ns["Node"](rng.normal(size=shape), [s, w], lambda g, f=factor: (g, f * g))
        start = numbers(rng.normal(size=shape))
        gradients = ns["propagate"]([x, y, w, s, z], start)
        yield f"x and y get one array, shape {shape}: y", gradients_at(gradients, {"y": y})
        yield f"shape {shape}: the argument gradient afterwards", start

        kept = numbers(rng.normal(size=shape))
        v = random_node(ns, rng, shape)
        q = random_node(ns, rng, shape, [v])
        p = ns["Node"](rng.normal(size=shape), [v], lambda g, kept=kept: (kept,))
        ns["propagate"]([v, q, p, random_node(ns, rng, shape, [p, q])], start)
        yield f"shape {shape}: an array from a pullback afterwards", kept


# Question 6: backward. The stand-ins for questions 4 and 5 know one small graph each.


def stand_in(ns, orders, way_back):
    """Put functions in place that know the right orders of one graph, and its gradients."""
    known = [[id(node) for node in order] for order in orders]

    def topological_order(root):
        if id(root) != known[0][-1]:
            raise LookupError("another root")
        return list(orders[0])

    def propagate(order, gradient):
        if [id(node) for node in order] not in known:
            raise LookupError("another order")
        return way_back(gradient)

    ns["topological_order"], ns["propagate"] = topological_order, propagate


def two_steps(ns, rng, shape):
    """The nodes of u = f(a, b), z = h(u, b) with z of the given shape, and what z's pullback got."""
    factors, starts = rng.normal(size=(4, 3)), []

    def pullback(g):
        starts.append(numbers(g))
        return factors[0] * np.sum(g), factors[1] * np.sum(g)

    a, b = ns["Node"](0.0), ns["Node"](np.zeros(3))
    u = ns["Node"](np.zeros(3), [a, b], lambda g: (np.sum(factors[2] * g), factors[3] * g))
    z = ns["Node"](np.zeros(shape), [u, b], pullback)

    def way_back(gradient):
        to_u, to_b = z.pullback(gradient)
        to_a, more = u.pullback(to_u)
        return {z: gradient, u: to_u, a: to_a, b: to_b + more}

    stand_in(ns, [[a, b, u, z], [b, a, u, z]], way_back)
    return {"a": a, "b": b, "u": u, "z": z}, starts


def grads(nodes, names):
    return {name: numbers(nodes[name].grad) for name in names}


def start(ns, rng):
    for shape, gradient in [
        ((), None),
        ((1,), None),
        ((1, 1), None),
        ((3,), rng.normal(size=3)),
        ((2, 2), rng.normal(size=(2, 2))),
        ((), numbers(0.0)),
    ]:
        nodes, starts = two_steps(ns, rng, shape)
        ns["backward"](nodes["z"], *([] if gradient is None else [gradient]))
        given = "no gradient" if gradient is None else "a gradient"
        zero = " of 0" if gradient is not None and not gradient.any() else ""
        case = f"root of shape {shape}, {given}{zero}"
        yield f"{case}: the start", starts
        yield f"{case}: the leaves", grads(nodes, "ab")
    x = ns["Node"](0.0)
    stand_in(ns, [[x]], lambda gradient: {x: gradient})
    factor = numbers(rng.normal())
    ns["backward"](x, factor)
    yield "the root is a leaf", numbers(x.grad)


def error_of(function, *arguments):
    try:
        function(*arguments)
    except ValueError:
        return "ValueError"
    except Exception as error:
        return type(error).__name__
    return None


def refuses(ns, rng):
    """What is not refused is there, too: or else a backward that always raises would pass."""
    for shape, given in [((2,), None), ((2, 1), None), ((2,), (3,)), ((1, 2), (2,)), ((), (1,))]:
        nodes, _ = two_steps(ns, rng, shape)
        gradient = None if given is None else np.ones(given)
        error = error_of(ns["backward"], nodes["z"], gradient)
        what = "no gradient" if given is None else f"a gradient of shape {given}"
        yield f"root of shape {shape}, {what}", error
    nodes, _ = two_steps(ns, rng, ())
    ns["backward"](nodes["z"])
    yield "root of shape (), no gradient", grads(nodes, "ab")


def leaves_only(ns, rng):
    nodes, _ = two_steps(ns, rng, ())
    ns["backward"](nodes["z"])
    yield ".grad of a and b", grads(nodes, "ab")
    yield ".grad of u and z", grads(nodes, "uz")


def calls_add_up(ns, rng):
    nodes, _ = two_steps(ns, rng, (3,))
    for number in (1, 2, 3):
        ns["backward"](nodes["z"], rng.normal(size=3))
        yield f"call {number}", grads(nodes, "ab")
    nodes["a"].grad = None
    ns["backward"](nodes["z"], rng.normal(size=3))
    yield "call 4, after a.grad = None", grads(nodes, "ab")


def given_arrays_stay(ns, rng):
    x = ns["Node"](np.zeros(3))
    y = ns["Node"](np.zeros(3), [x], lambda g: (g,))
    stand_in(ns, [[x, y]], lambda gradient: {y: gradient, x: gradient})
    first, second = rng.normal(size=3), rng.normal(size=3)
    ns["backward"](y, first)
    yield "x.grad after a call", numbers(x.grad)
    before = x.grad
    ns["backward"](y, second)
    yield "the gradient of the first call, after the second", first
    yield "the gradient of the second call", second
    yield "the array that was x.grad, after the second call", numbers(before)


# Questions 7 and 8

NETWORKS = [(1, 1, 1), (4, 2, 3), (7, 3, 5)]


def random_parameters(ns, rng, p, h):
    return [ns["Node"](rng.normal(size=shape)) for shape in [(p, h), (h,), (h, 1), (1,)]]


def loss_value(ns, rng):
    for n, p, h in NETWORKS:
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, 1))
        loss = ns["network_loss"](x, y, *random_parameters(ns, rng, p, h))
        yield f"n = {n}, p = {p}, h = {h}", numbers(loss.value)


def recorded(ns, node):
    """The operation that made a node, and its options: its pullback calls the operation's rule."""
    calls = []

    def listen(operation):
        def rule(g, y, *values, **options):
            calls.append((operation, options))
            return values if len(values) > 1 else values[0]

        return rule

    for operation in ns["FORWARD"]:
        ns[f"{operation}_rule"] = listen(operation)
    ns["unbroadcast"] = lambda g, shape: g
    node.pullback(np.ones(node.value.shape))
    ((operation, options),) = calls
    return lambda *values: ns["FORWARD"][operation](*values, **options)


def replay(ns, root, values):
    """The value of the root when some leaves have other values, by the operations recorded."""
    values = dict(values)
    stack = [root]
    while stack:
        node = stack[-1]
        waiting = [parent for parent in node.parents if id(parent) not in values]
        if id(node) in values or not waiting:
            stack.pop()
        stack.extend(waiting)
        if id(node) not in values and not waiting:
            arguments = [values[id(parent)] for parent in node.parents]
            values[id(node)] = recorded(ns, node)(*arguments) if arguments else node.value
    return numbers(values[id(root)])


def loss_graph(ns, rng):
    """The graph, computed again with other parameters: the ratio of the loss to that from before.

    It is the ratio, so that a wrong factor costs the other check alone.
    """
    for n, p, h in NETWORKS:
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, 1))
        parameters = random_parameters(ns, rng, p, h)
        loss = ns["network_loss"](x, y, *parameters)
        for name, parameter in zip(["w1", "b1", "w2", "b2"], parameters):
            moved = {id(parameter): parameter.value + rng.normal(size=parameter.value.shape)}
            ratio = replay(ns, loss, moved) / numbers(loss.value)
            yield f"n = {n}, p = {p}, h = {h}: with another {name}", ratio


def bowl(ns, rng):
    """Parameters, and stand-ins whose loss is their squared distance from a target."""
    values = [rng.normal(size=shape) for shape in [(2, 3), (3,), (3, 1), (1,)]]
    targets = [rng.normal(size=value.shape) for value in values]
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))

    def network_loss(x, y, w1, b1, w2, b2):
        parameters = [w1, b1, w2, b2]
        away = [2 * (node.value - target) for node, target in zip(parameters, targets)]
        loss = sum(float(np.sum(d**2)) / 4 for d in away) + np.sum(x) + 2 * np.sum(y)
        return ns["Node"](loss, parameters, lambda g: tuple(g * d for d in away))

    def backward(root, gradient=None):
        for node, share in zip(root.parents, root.pullback(1.0)):
            node.grad = share if node.grad is None else node.grad + share

    ns["network_loss"], ns["backward"] = network_loss, backward
    return x, y, [ns["Node"](value) for value in values]


def values_of(parameters):
    return {
        name: numbers(parameter.value)
        for name, parameter in zip(["w1", "b1", "w2", "b2"], parameters)
    }


def one_step(ns, rng):
    for rate in [0.1, 0.05, 0.3]:
        x, y, parameters = bowl(ns, rng)
        ns["train"](x, y, parameters, rate, 1)
        yield f"a step with the learning rate {rate}", values_of(parameters)


def losses_before(ns, rng):
    for rate, steps in [(0.1, 1), (0.3, 1), (0.0, 3), (0.1, 0)]:
        x, y, parameters = bowl(ns, rng)
        losses = ns["train"](x, y, parameters, rate, steps)
        yield f"steps: {steps}, learning rate: {rate}", several(losses)


def clearing(ns, rng):
    for rate, steps in [(0.1, 2), (0.05, 6)]:
        x, y, parameters = bowl(ns, rng)
        ns["train"](x, y, parameters, rate, steps)
        yield f"{steps} steps", values_of(parameters)
    x, y, parameters = bowl(ns, rng)
    for parameter in parameters:
        parameter.grad = rng.normal(size=parameter.value.shape)
    ns["train"](x, y, parameters, 0.1, 1)
    yield "a step from parameters that have a .grad", values_of(parameters)


RULE = "is exact for arrays of any shape, and changes none of its arguments."
# question, probe, points, what the student reads when the check fails
CHECKS = [
    ("local-derivatives", add_and_subtract, 1, f"add_rule and subtract_rule: each {RULE}"),
    ("local-derivatives", multiply, 0.5, f"multiply_rule {RULE}"),
    ("local-derivatives", divide, 0.5, f"divide_rule {RULE}"),
    ("local-derivatives", exp, 0.5, f"exp_rule {RULE}"),
    ("local-derivatives", log, 0.5, f"log_rule {RULE}"),
    ("local-derivatives", tanh, 0.5, f"tanh_rule {RULE}"),
    ("local-derivatives", relu, 0.5, f"relu_rule gives 0 at a = 0, {RULE}"),
    (
        "unbroadcast",
        added_axes,
        1,
        "Sums over the axes that broadcasting added on the left, and removes them.",
    ),
    (
        "unbroadcast",
        stretched_axes,
        1,
        "Sums over the axes of length 1 that were stretched, and keeps them with length 1.",
    ),
    (
        "unbroadcast",
        both_and_neither,
        1,
        "Undoes both kinds of stretching at once, and none where there was none; g stays as it is.",
    ),
    (
        "shape-rules",
        matmul_a,
        0.5,
        "matmul_rule: the gradient for a is right, and has the shape of a.",
    ),
    (
        "shape-rules",
        matmul_b,
        0.5,
        "matmul_rule: the gradient for b is right, and has the shape of b.",
    ),
    (
        "shape-rules",
        sum_of_everything,
        0.5,
        "sum_rule without an axis, with and without keepdims: each number of a gets g.",
    ),
    (
        "shape-rules",
        sum_over_an_axis,
        0.5,
        "sum_rule with an axis: each number of a gets the gradient of the sum that it went into.",
    ),
    (
        "shape-rules",
        sum_over_a_negative_axis,
        0.5,
        "sum_rule with an axis that is counted from the end, such as -1.",
    ),
    (
        "shape-rules",
        sum_with_keepdims,
        0.5,
        "sum_rule with an axis and keepdims=True: g has the summed axis already.",
    ),
    (
        "topological-order",
        every_node_once,
        1,
        "The list has each node that the root was computed from once, the root too, and no other.",
    ),
    (
        "topological-order",
        parents_first,
        1,
        "Each node stands after all of its parents, and the root at the end.",
    ),
    (
        "topological-order",
        shared_nodes_once,
        0.5,
        "Works where a node can be reached on many paths, in time proportional to the graph's size.",
    ),
    (
        "topological-order",
        deep_chain,
        0.5,
        "Works on a chain of 100,000 nodes, in time proportional to its size.",
    ),
    (
        "accumulation",
        single_path,
        0.5,
        "Along a single path each node hands on what its pullback makes of its gradient.",
    ),
    (
        "accumulation",
        every_node,
        0.5,
        "The dictionary has an entry for each node of the order, the last one included.",
    ),
    (
        "accumulation",
        shared_nodes,
        1,
        "A node that is used several times gets the sum of all contributions, and hands on "
        "the complete sum.",
    ),
    (
        "accumulation",
        arrays_stay,
        1,
        "No array that was given changes: not `gradient`, and none that a pullback returned.",
    ),
    (
        "backward",
        start,
        0.5,
        "The start is the given gradient, or else 1 in the shape of the root, and goes back "
        "to every leaf.",
    ),
    (
        "backward",
        refuses,
        0.5,
        "A root of several numbers without a gradient, or a gradient of another shape than "
        "the root's, is a ValueError; nothing else is.",
    ),
    ("backward", leaves_only, 0.25, "Leaves get a .grad. Other nodes keep None."),
    ("backward", calls_add_up, 0.5, "Each call adds to the .grad of the leaves."),
    (
        "backward",
        given_arrays_stay,
        0.25,
        "No array that was given changes, nor one that was a .grad before.",
    ),
    (
        "network-loss",
        loss_value,
        0.5,
        "The loss is the mean squared error of the network, of shape ().",
    ),
    (
        "network-loss",
        loss_graph,
        0.5,
        "The graph of the loss computes all of it from the four parameters.",
    ),
    (
        "training",
        one_step,
        0.25,
        "A step moves each parameter against its gradient, by the learning rate.",
    ),
    (
        "training",
        losses_before,
        0.25,
        "The result has one loss for each step, from before the step.",
    ),
    (
        "training",
        clearing,
        0.5,
        "Each step uses its own gradients only, whatever .grad held before.",
    ),
]
