"""How tasks say how long an answer may be; host and images read it alike."""

from __future__ import annotations

#: The names, the first that is given counting, as lm_eval reads them.
LONGEST_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
#: lm_eval's own number, for tasks that say nothing.
LONGEST = 256
