"""HomeBench's data: reading and auditing the released format, fetching it, making more of it."""
