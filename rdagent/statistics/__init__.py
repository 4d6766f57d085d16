"""Paired tests, intervals, multiplicity, detectable differences and a sequential test.

Nothing here knows of models or files.  scipy and numpy are imported when a function needs
them; what runs inside the images uses ``sequential`` alone, which needs neither.
"""
