"""Hidden checks of the assignment 01-autodiff.

A probe drives the student's functions on inputs drawn from `rng` and returns what came out, as plain data. It knows no
answers: the same probe runs on the reference solution, and the grader compares the two. Where a question builds on earlier
ones, the probe puts stand-ins in their place that serve its own graph only, so that one mistake is counted once.
"""

import numpy as np


def array(x):
    """The numbers of an array, a NumPy scalar or a float, in double precision."""
    return np.array(x, dtype=np.float64)


# Question 1: local derivatives


def drive_rule(ns, rng, name, forward, inputs):
    """What the rule `name` returns, and its arguments after the call."""
    y = array(forward(*inputs))
    g = array(rng.normal(size=y.shape))
    gradients = ns[name](g, y, *inputs)
    if len(inputs) == 1:
        gradients = (gradients,)
    return {
        "gradients": [array(gradient) for gradient in gradients],
        "arguments": [array(x) for x in (g, y, *inputs)],
    }


def drive_binary(ns, rng, name, forward):
    results = []
    for shape in [(), (5,), (2, 3), (2, 1, 4)]:
        a, b = array(rng.normal(size=shape)), array(rng.normal(size=shape))
        results.append(drive_rule(ns, rng, name, forward, (a, np.copysign(np.abs(b) + 0.5, b))))
    return results


def sum_and_difference(ns, rng):
    return [
        drive_binary(ns, rng, "add_rule", np.add),
        drive_binary(ns, rng, "subtract_rule", np.subtract),
    ]


def product(ns, rng):
    return drive_binary(ns, rng, "multiply_rule", np.multiply)


def quotient(ns, rng):
    return drive_binary(ns, rng, "divide_rule", np.divide)


def functions(ns, rng):
    results = []
    for shape in [(), (6,), (3, 4)]:
        a = array(2 * rng.normal(size=shape))
        with_zeros = np.where(rng.random(size=shape) < 0.3, 0.0, a)
        for name, forward, x in [
            ("exp_rule", np.exp, a),
            ("log_rule", np.log, np.abs(a) + 0.1),
            ("tanh_rule", np.tanh, a),
            ("relu_rule", lambda x: np.maximum(x, 0), array(with_zeros)),
        ]:
            results.append(drive_rule(ns, rng, name, forward, (x,)))
    return results


# Question 2: un-broadcasting


def drive_unbroadcast(ns, rng, cases):
    results = []
    for shape, broadcast_shape in cases:
        g = rng.normal(size=broadcast_shape)
        results.append({"result": array(ns["unbroadcast"](g, shape)), "g": array(g)})
    return results


def added_axes(ns, rng):
    cases = [((4,), (3, 4)), ((2, 3), (5, 2, 3)), ((3,), (2, 4, 3)), ((), (3,)), ((), (2, 3))]
    return drive_unbroadcast(ns, rng, cases)


def stretched_axes(ns, rng):
    cases = [((3, 1), (3, 4)), ((1, 4), (3, 4)), ((2, 1, 3), (2, 5, 3)), ((1, 2, 1), (4, 2, 3))]
    return drive_unbroadcast(ns, rng, cases)


def both_and_neither(ns, rng):
    cases = [
        ((3, 1), (2, 3, 4)),
        ((1, 3), (4, 2, 3)),
        ((1,), (2, 3)),
        ((1, 1), (2, 3, 4, 5)),
        ((2, 3), (2, 3)),
        ((3, 1), (3, 1)),
    ]
    return drive_unbroadcast(ns, rng, cases)


# Question 3: rules with shapes


def matrix_product(ns, rng):
    results = []
    for n, k, m in [(2, 3, 4), (3, 3, 3), (1, 5, 2), (4, 1, 1)]:
        inputs = (rng.normal(size=(n, k)), rng.normal(size=(k, m)))
        results.append(drive_rule(ns, rng, "matmul_rule", np.matmul, inputs))
    return results


def drive_sum_rule(ns, rng, cases):
    results = []
    for shape, options in cases:
        a = rng.normal(size=shape)
        y = array(np.sum(a, **options))
        g = array(rng.normal(size=y.shape))
        gradient = ns["sum_rule"](g, y, a, **options)
        results.append({"gradient": array(gradient), "g": g})
    return results


def sum_with_kept_axes(ns, rng):
    cases = [
        ((4,), {}),
        ((2, 3), {}),
        ((2, 3), {"keepdims": True}),
        ((2, 3), {"axis": 0, "keepdims": True}),
        ((2, 3, 4), {"axis": 1, "keepdims": True}),
        ((2, 3, 4), {"axis": -1, "keepdims": True}),
    ]
    return drive_sum_rule(ns, rng, cases)


def sum_over_an_axis(ns, rng):
    cases = [((4,), 0), ((2, 3), 0), ((2, 3), 1), ((3, 3), 1), ((3, 3, 3), 1), ((2, 3, 4), -2)]
    return drive_sum_rule(ns, rng, [(shape, {"axis": axis}) for shape, axis in cases])


# Question 4: the order. Any topological order is right, so what is returned is not the order, but numbers that come out
# the same for all of them: one is laid at the end, and in the order from its end each node adds what it has, times a
# random weight, to its parents.


def random_graph(ns, rng, size):
    """A graph in which the last node depends on all others: its nodes in no order, and its last node."""
    nodes = [ns["Node"](0.0)]
    for i in range(1, size):
        others = rng.integers(0, i, size=rng.integers(0, 3))
        parents = [nodes[i - 1], *(nodes[j] for j in others)] if i > 2 else []
        if i == 3:
            parents = nodes[:3]
        nodes.append(ns["Node"](0.0, [parents[j] for j in rng.permutation(len(parents))]))
    return [nodes[i] for i in rng.permutation(size)], nodes[-1]


def flow(order, weight, root):
    order = list(order)
    amount = dict.fromkeys(order, 0.0)
    amount[root] = 1.0
    for node in reversed(order):
        for parent in node.parents:
            amount[parent] += weight[node] * amount[node]
    return {"length": len(order), "different": len(amount), "amount": amount}


def parents_first(ns, rng):
    results = []
    for size in [1, 4, 6, 10, 10, 20, 40]:
        nodes, root = random_graph(ns, rng, size)
        weight = {node: rng.uniform(0.3, 0.7) for node in nodes}
        result = flow(ns["topological_order"](root), weight, root)
        result["amount"] = [result["amount"][node] for node in nodes]
        results.append(result)
    return results


def shared_nodes_once(ns, rng):
    """300 storeys, each reached from the next on two paths: 2 ** 300 in all."""
    nodes, top = [], ns["Node"](0.0)
    for _ in range(300):
        left, right = ns["Node"](0.0, [top]), ns["Node"](0.0, [top])
        nodes += [top, left, right]
        top = ns["Node"](0.0, [left, right])
    weight = {node: rng.uniform(0.6, 0.8) for node in [*nodes, top]}
    result = flow(ns["topological_order"](top), weight, top)
    result["amount"] = [result["amount"][node] for node in nodes[::20]]
    return result


def deep_chain(ns, rng):
    nodes = [ns["Node"](0.0)]
    for _ in range(100_000):
        nodes.append(ns["Node"](0.0, [nodes[-1]]))
    weights = rng.uniform(0.9999, 1.0001, size=len(nodes))
    result = flow(ns["topological_order"](nodes[-1]), dict(zip(nodes, weights)), nodes[-1])
    result["amount"] = [result["amount"][node] for node in nodes[::1000]]
    return result


# Question 5: the way back, on graphs whose pullbacks multiply by random numbers


def multiply_by(factors):
    return lambda g: tuple(factor * g for factor in factors)


def gradients_of(ns, order, start):
    gradients = ns["propagate"](list(order), start)
    return {"gradients": [array(gradients[node]) for node in order], "start": array(start)}


def single_path(ns, rng):
    results = []
    for shape in [(), (3,), (2, 2)]:
        order = [ns["Node"](rng.normal(size=shape))]
        for _ in range(4):
            factor = rng.normal(size=shape)
            order.append(ns["Node"](rng.normal(size=shape), [order[-1]], multiply_by([factor])))
        results.append(gradients_of(ns, order, array(rng.normal(size=shape))))
    return results


def shared_nodes(ns, rng):
    results = []
    for shape in [(), (3,), (2, 2)]:
        order = [ns["Node"](rng.normal(size=shape)) for _ in range(2)]
        order.append(ns["Node"](rng.normal(size=shape), order, multiply_by(rng.normal(size=2))))
        for i in range(3, 12):
            others = [order[j] for j in rng.integers(0, i, size=2)]
            factors = rng.normal(size=(3, *shape))
            parents = [order[-1], *others]
            order.append(ns["Node"](rng.normal(size=shape), parents, multiply_by(factors)))
        x = order[-1]  # and finally x * x: both parents are the same node
        order.append(ns["Node"](x.value**2, [x, x], multiply_by([x.value, x.value])))
        results.append(gradients_of(ns, order, array(rng.normal(size=shape))))
    return results


def shared_arrays(ns, rng):
    """Pullbacks that give one array to several nodes, or that keep it for the next time."""
    results = []
    for shape in [(), (3,), (2, 2)]:
        kept = array(rng.normal(size=shape))
        x, y = ns["Node"](rng.normal(size=shape)), ns["Node"](rng.normal(size=shape))
        s = ns["Node"](rng.normal(size=shape), [x, y], lambda g: (g, g))
        t = ns["Node"](rng.normal(size=shape), [s, x], multiply_by(rng.normal(size=2)))
        u = ns["Node"](rng.normal(size=shape), [t, x], lambda g, kept=kept: (g, kept))
        v = ns["Node"](rng.normal(size=shape), [u, s], lambda g: (g, g))
        result = gradients_of(ns, [x, y, s, t, u, v], array(rng.normal(size=shape)))
        results.append({**result, "kept": kept})
    return results


# Question 6: backward, on graphs of one operation: the stand-ins know their order and their way back


def one_operation(ns, shape, pullback):
    """The leaves a and b and a node of the given shape, and stand-ins for questions 4 and 5."""
    a, b = ns["Node"](0.0), ns["Node"](np.zeros(3))
    root = ns["Node"](np.zeros(shape), [a, b], pullback)

    def propagate(order, gradient):
        return {root: gradient, **dict(zip((a, b), pullback(gradient)))}

    ns["topological_order"] = lambda root: [a, b, root]
    ns["propagate"] = propagate
    return a, b, root


def error_of(function, *arguments):
    try:
        function(*arguments)
    except ValueError:
        return "ValueError"
    except Exception as error:
        return type(error).__name__
    return None


def start(ns, rng):
    results = []
    for shape in [(), (1,), (1, 1)]:
        starts = []
        factors = rng.normal(size=4)

        def pullback(g, starts=starts, factors=factors):
            starts.append(array(g))
            return factors[0] * np.sum(g), factors[1:] * np.sum(g)

        a, b, root = one_operation(ns, shape, pullback)
        ns["backward"](root)
        results.append({"a": array(a.grad), "b": array(b.grad), "starts": starts})
    errors = []
    for shape, gradient in [((2,), None), ((2, 1), None), ((2,), np.ones(3)), ((1, 2), np.ones(2))]:
        a, b, root = one_operation(ns, shape, lambda g: (np.sum(g), np.ones(3)))
        errors.append(error_of(ns["backward"], root, gradient))
    return {"gradients": results, "errors": errors}


def calls_add_up(ns, rng):
    factors = rng.normal(size=3)
    starts = [rng.normal(size=3) for _ in range(3)]
    given = [gradient.copy() for gradient in starts]
    history = []
    a, b, root = one_operation(ns, (3,), lambda g: (np.sum(factors * g), g))
    for gradient in starts:
        ns["backward"](root, gradient)
        history.append({"a": array(a.grad), "b": array(b.grad)})
    a.grad = None
    ns["backward"](root, starts[0])
    history.append({"a": array(a.grad), "b": array(b.grad)})
    return {"history": history, "changed": [x - y for x, y in zip(starts, given)]}


# Questions 7 and 8


def network(ns, rng):
    """The loss of a few random networks, and whether the graph leads back to each parameter."""
    results = []
    for n, p, h in [(1, 1, 1), (4, 2, 3), (7, 3, 5)]:
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, 1))
        parameters = [ns["Node"](rng.normal(size=s)) for s in [(p, h), (h,), (h, 1), (1,)]]
        loss = ns["network_loss"](x, y, *parameters)
        reached, todo = {}, [loss]
        while todo:
            node = todo.pop()
            if id(node) not in reached:
                reached[id(node)] = node
                todo.extend(node.parents)
        ends = [array(node.value) if id(node) in reached else None for node in parameters]
        results.append({"loss": array(loss.value), "parameters": ends})
    return results


def descent(ns, rng):
    """Training on a bowl: the loss is the squared distance of the parameters from a target."""
    results = []
    for rate, steps in [(0.1, 1), (0.05, 6), (0.3, 4)]:
        values = [rng.normal(size=s) for s in [(2, 3), (3,), (3, 1), (1,)]]
        targets = [rng.normal(size=value.shape) for value in values]
        parameters = [ns["Node"](value) for value in values]

        def network_loss(*_, targets=targets, parameters=parameters, **__):
            away = [2 * (node.value - target) for node, target in zip(parameters, targets)]
            loss = sum(float(np.sum(d**2)) / 4 for d in away)
            return ns["Node"](loss, parameters, lambda g: tuple(g * d for d in away))

        def backward(root, gradient=None):
            for node, share in zip(root.parents, root.pullback(1.0)):
                node.grad = share if node.grad is None else node.grad + share

        ns["network_loss"], ns["backward"] = network_loss, backward
        x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
        losses = ns["train"](x, y, parameters, rate, steps)
        results.append({"losses": array(losses), "trained": [array(p.value) for p in parameters]})
    return results


CHECKS = [
    # question, probe, points, what the student reads when the check fails
    (
        "local-derivatives",
        sum_and_difference,
        1,
        "The rules of add and subtract: each input gets the upstream gradient, with the "
        "sign that the input has in the result.",
    ),
    (
        "local-derivatives",
        product,
        1,
        "The rule of multiply: the upstream gradient times the local derivative, which is"
        " the other factor.",
    ),
    (
        "local-derivatives",
        quotient,
        1,
        "The rule of divide: derive a / b by a and by b, and multiply each by the "
        "upstream gradient.",
    ),
    (
        "local-derivatives",
        functions,
        1,
        "The rules of exp, log, tanh and relu: exact for arrays of any shape, zero for "
        "relu at 0, and the arguments stay as they are.",
    ),
    (
        "unbroadcast",
        added_axes,
        1,
        "Axes that broadcasting added on the left are summed over and removed.",
    ),
    (
        "unbroadcast",
        stretched_axes,
        1,
        "Axes of length 1 that were stretched are summed over, and stay with length 1.",
    ),
    (
        "unbroadcast",
        both_and_neither,
        1,
        "Both ways of broadcasting at once, or none: the result always has the shape of the input.",
    ),
    (
        "shape-rules",
        matrix_product,
        1,
        "The rule of the matrix product: each gradient has the shape of its factor.",
    ),
    (
        "shape-rules",
        sum_with_kept_axes,
        1,
        "The rule of the sum over everything, or with keepdims: each number gets the "
        "gradient of the sum that it went into.",
    ),
    (
        "shape-rules",
        sum_over_an_axis,
        1,
        "The rule of the sum over one axis: it must go back to where it was, also when it"
        " is not the last, and also when it was counted from the end.",
    ),
    (
        "topological-order",
        parents_first,
        1,
        "Every node that the root depends on is in the list once, after all of its "
        "parents, and the root is at the end.",
    ),
    (
        "topological-order",
        shared_nodes_once,
        1,
        "A node that can be reached on many paths is visited once, or the time doubles "
        "with every level.",
    ),
    (
        "topological-order",
        deep_chain,
        1,
        "A chain of 100,000 nodes needs a loop instead of recursion, and a quick way to "
        "ask whether a node was seen.",
    ),
    (
        "accumulation",
        single_path,
        1,
        "Along a single path each node hands on what its pullback makes of its gradient.",
    ),
    (
        "accumulation",
        shared_nodes,
        1,
        "A node that is used several times gets the sum of all gradients that it "
        "receives, and hands on the complete sum.",
    ),
    (
        "accumulation",
        shared_arrays,
        1,
        "Gradients may share an array: adding into one of them changes the others. Add "
        "into a new array.",
    ),
    (
        "backward",
        start,
        1,
        "The start is 1 in the shape of the root. A root of several numbers, or a "
        "gradient of another shape, is a ValueError.",
    ),
    (
        "backward",
        calls_add_up,
        1,
        "Each call adds to the .grad of the leaves, and changes no array that it was given.",
    ),
    (
        "network-loss",
        network,
        1,
        "The loss is the mean squared error of the network, and its graph leads back to "
        "all four parameters.",
    ),
    (
        "training",
        descent,
        1,
        "Each step clears the gradients, finds new ones and moves every parameter against"
        " them; the losses are those from before the steps.",
    ),
]
