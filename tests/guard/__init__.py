"""The cost of a request compared to stored figures."""
