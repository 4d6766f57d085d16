"""From a request to scores: preflight, one job, results read back as a stranger's.

``run()`` is the one way in; the command line and the evaluator both call it.
"""
