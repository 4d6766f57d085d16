"""RD-Agent's import path for the evaluator and its feedback."""

from rdagent.core.feedback import CoSTEERSingleFeedback
from rdagent.core.roles import CoSTEEREvaluator

__all__ = ["CoSTEEREvaluator", "CoSTEERSingleFeedback"]
