"""HomeBench: requests to a smart home, valid and not, answered as calls of its methods."""
