"""One isolated run: what it may do, where it runs, how it ends.

``spec`` says what a job is, ``profiles`` what each kind of job may do, ``backends``
run it, ``supervisor`` owns its deadline and its log, ``outcome`` names its end,
``images`` makes what it runs in, ``reaper`` removes what a dead orchestrator left.
"""
