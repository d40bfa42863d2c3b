"""Apps that tests serve with gunicorn and uWSGI."""
