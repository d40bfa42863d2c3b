"""Records the jobs of task queues and schedulers; one file for each library.

Each file has ``record_jobs()``, which attaches an app to the library by the library's own signals,
middleware or classes.
"""
