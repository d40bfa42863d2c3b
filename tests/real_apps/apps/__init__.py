"""Makes each app; every file runs in the environment of its app.

``make_app(folder, attach)`` returns the WSGI app, and calls ``attach`` with each Flask app of it.
"""
