"""Every store against its real server."""
