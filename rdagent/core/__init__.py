"""The nouns that a user of the Python interface meets, and the base of every settings class."""
