"""Servers that tests start: databases, web servers, HTTP recorders and a browser."""
