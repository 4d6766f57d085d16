"""The parts of the one-file HTML report, and the style and script that it carries.

``html`` puts them together.  Every element is made by ``markup.tag``, which escapes
whatever is not markup already, so that no part has to remember it.
"""
