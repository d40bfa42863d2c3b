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

/* Read a time after the year 2262, whose nanoseconds take more than 64 bits. */
static int
read_far_time(PyObject *nanoseconds, long long *microseconds)
{
    PyObject *thousand = PyLong_FromLong(1000);
    PyObject *quotient = thousand == NULL ? NULL : PyNumber_FloorDivide(nanoseconds, thousand);
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
    /* A test library may have frozen the clock to a float. */
    PyObject *whole = PyNumber_Long(value);
    Py_DECREF(value);
    if (whole == NULL)
        return -1;
    int overflow;
    long long nanoseconds = PyLong_AsLongLongAndOverflow(whole, &overflow);
    if (overflow == 0)
        *microseconds = floor_thousandth(nanoseconds);
    int result = overflow == 0 ? 0 : read_far_time(whole, microseconds);
    Py_DECREF(whole);
    return result;
}
