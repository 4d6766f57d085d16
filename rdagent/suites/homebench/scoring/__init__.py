"""What an answer to a HomeBench request is worth.

Imported on the host and inside the images: the standard library and ``rdagent.files`` alone.
``operations`` reads an answer strictly, ``lenient`` forgivingly, ``score`` counts, ``errors``
names what went wrong, ``baselines`` says what needs no model, ``paper`` what others reported.
"""
