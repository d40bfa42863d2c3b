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

static long long
floor_thousandth(long long number)
{
    return number / 1000 - (number % 1000 < 0);
}

/* Read a time that a test library has frozen to a float, or after the year 2262, when the
   nanoseconds take more than 64 bits. */
static int
read_odd_time(PyObject *value, long long *microseconds)
{
    PyObject *nanoseconds = PyNumber_Long(value), *thousand = PyLong_FromLong(1000);
    PyObject *quotient = NULL;
    if (nanoseconds != NULL && thousand != NULL)
        quotient = PyNumber_FloorDivide(nanoseconds, thousand);
    Py_XDECREF(nanoseconds);
    Py_XDECREF(thousand);
    if (quotient == NULL)
        return -1;
    *microseconds = PyLong_AsLongLong(quotient);
    Py_DECREF(quotient);
    return *microseconds == -1 && PyErr_Occurred() ? -1 : 0;
}

int
read_time(long long *microseconds)
{
    PyObject *value = read_clock(name_time_ns);
    if (value == NULL)
        return -1;
    int overflow = 1;
    long long nanoseconds = 0;
    if (PyLong_CheckExact(value))
        nanoseconds = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow == 0)
        *microseconds = floor_thousandth(nanoseconds);
    int result = overflow == 0 ? 0 : read_odd_time(value, microseconds);
    Py_DECREF(value);
    return result;
}
