/* Reads the clocks of the time module. They are looked up each time, because tests of an app may
   replace them, e.g. with freezegun. */

#include "speedups.h"

static PyObject *
read_clock(PyObject *name)
{
    PyObject *clock = PyObject_GetAttr(time_module, name);
    if (clock == NULL)
        return NULL;
    PyObject *value = PyObject_CallNoArgs(clock);
    Py_DECREF(clock);
    return value;
}

int
read_perf_counter(double *seconds)
{
    PyObject *value = read_clock(name_perf_counter);
    if (value == NULL)
        return -1;
    *seconds = PyFloat_AsDouble(value);
    Py_DECREF(value);
    return *seconds == -1.0 && PyErr_Occurred() ? -1 : 0;
}

int
read_time(long long *microseconds)
{
    PyObject *value = read_clock(name_time_ns);
    if (value == NULL)
        return -1;
    long long nanoseconds = PyLong_AsLongLong(value);
    Py_DECREF(value);
    *microseconds = nanoseconds / 1000;
    return nanoseconds == -1 && PyErr_Occurred() ? -1 : 0;
}
