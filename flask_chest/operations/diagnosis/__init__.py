"""Diagnosis: what is wrong, or will be, with an app's folders, servers, stores and software."""
