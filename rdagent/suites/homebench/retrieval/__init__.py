"""Which rooms of a home a request needs: retrievers behind one interface, and how good they are."""
