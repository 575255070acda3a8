"""How the questions get to the frameworks: the protocol, the worker, connections to workers, the plan.

``protocol``, ``state`` and ``worker`` run inside a worker, beside a framework: they need Python 3.9, NumPy 1.22 and the
standard library, and import nothing else of this project but ``conformance.frameworks``.
"""
