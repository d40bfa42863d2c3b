/* The line of a record that has nothing seldom to tell, of variables that are recorded as they are:
   what RequestState.facts() and Capture.encode() make of it, byte by byte. All else is left to
   them. */

#include "speedups.h"

/* More than the longest head: its names, two ids, two numbers. */
#define HEAD_ROOM 512
#define LONGEST_ID 255
#define TAIL_ROOM 40
/* Microseconds, beyond which a float is spelt otherwise. */
#define LONGEST 1e15

#define PUT(at, literal) put_text(at, literal, sizeof literal - 1)

/* What Capture asks of a value before it takes it as it is. */
static int
is_plain(PyObject *value, Py_ssize_t short_text)
{
    if (PyUnicode_CheckExact(value))
        return PyUnicode_GetLength(value) <= short_text;
    if (PyLong_CheckExact(value)) {
        int overflow;
        PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow == 0;
    }
    return PyFloat_CheckExact(value) || value == Py_None || value == Py_True || value == Py_False;
}

/* Take over one variable, where it is there; -1 with an exception. */
static int
take(PyObject *found, PyObject *values, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(values, name);
    if (value == NULL)
        return PyErr_Occurred() ? -1 : 0;
    Py_INCREF(value);
    int result = PyDict_SetItem(found, name, value);
    Py_DECREF(value);
    return result;
}

/* The variables that are tracked: of these names, or all of them. */
static PyObject *
tracked(PyObject *values, PyObject *names)
{
    /* In one step, since another thread may put more on g meanwhile. */
    if (names == Py_None)
        return PyDict_Copy(values);
    PyObject *found = PyDict_New();
    Py_ssize_t count = found == NULL ? 0 : PyTuple_Size(names);
    for (Py_ssize_t index = 0; index < count; index++)
        if (take(found, values, PyTuple_GetItem(names, index)) < 0) {
            Py_DECREF(found);
            return NULL;
        }
    return found;
}

/* Whether all is kept as it is: names that are known together, of plain values. */
static int
is_kept_whole(PyObject *found, PyObject *known, Py_ssize_t short_text)
{
    PyObject *names = PySequence_Tuple(found);
    int whole = names != NULL && PySet_Contains(known, names) == 1;
    Py_XDECREF(names);
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (whole && PyDict_Next(found, &position, &name, &value))
        whole = is_plain(value, short_text);
    return whole;
}

/* The encoded variables; NULL, perhaps with an exception, where others are to see to them. */
static PyObject *
encoded_vars(PyObject *holder, PyObject *names, PyObject *known, Py_ssize_t short_text)
{
    if (PyDict_Check(holder))
        return NULL; /* its variables may be its items */
    PyObject *values = PyObject_GetAttr(holder, name_dict);
    PyObject *found = values == NULL || !PyDict_CheckExact(values) ? NULL : tracked(values, names);
    Py_XDECREF(values);
    if (found == NULL)
        return NULL;
    PyObject *encoded = NULL;
    if (is_kept_whole(found, known, short_text))
        encoded = PyObject_CallFunctionObjArgs(dumps_function, found, NULL);
    Py_DECREF(found);
    /* It may be that of a NUL, which databases do not take. */
    if (encoded != NULL && memchr(PyBytes_AsString(encoded), '\\', PyBytes_Size(encoded)) != NULL)
        Py_CLEAR(encoded);
    return encoded;
}

/* Milliseconds, in the shortest spelling of a float. */
static char *
put_milliseconds(char *at, uint64_t microseconds)
{
    at = put_decimal(at, microseconds / 1000, 1);
    *at++ = '.';
    at = put_decimal(at, microseconds % 1000, 3);
    while (at[-1] == '0' && at[-2] != '.')
        at--;
    return at;
}

/* All up to the variables; NULL where a part of it would have to be spelt with care. */
static char *
put_head(char *at, RequestStart *self)
{
    Py_ssize_t id_size, request_id_size;
    const char *id = utf8_of(self->id, &id_size);
    const char *request_id = utf8_of(self->request_id, &request_id_size);
    if (id == NULL || id_size > 32 || request_id == NULL || request_id_size > LONGEST_ID
        || !stands_for_itself(request_id, request_id_size) || self->time < 0)
        return NULL;
    double now;
    if (read_perf_counter(&now) < 0)
        return NULL;
    /* In two steps, as Python does it: the same numbers are rounded. */
    double elapsed = (now - self->started) * 1000;
    elapsed *= 1000;
    if (!(0 <= elapsed && elapsed < LONGEST))
        return NULL;
    at = put_text(PUT(at, "{\"id\":\""), id, id_size);
    at = put_decimal(PUT(at, "\",\"time\":"), (uint64_t)self->time, 1);
    at = put_text(PUT(at, ",\"request_id\":\""), request_id, request_id_size);
    at = put_milliseconds(PUT(at, "\",\"duration_ms\":"), (uint64_t)elapsed);
    return PUT(at, ",\"vars\":");
}

static char *
put_tail(char *at, PyObject *status)
{
    long number = status != NULL && PyLong_CheckExact(status) ? PyLong_AsLong(status) : -1;
    return number < 0 ? NULL : put_decimal(PUT(at, ",\"status\":"), (uint64_t)number, 1);
}

/* Whether it failed, or goes on a trace: fields that are seldom told. */
static int
has_more_to_tell(RequestStart *self)
{
    if (self->error != NULL && self->error != Py_None)
        return 1;
    return self->environ == NULL || !PyDict_CheckExact(self->environ)
        || PyDict_GetItemWithError(self->environ, name_traceparent) != NULL || PyErr_Occurred();
}

static PyObject *
whole_line(RequestStart *self, PyObject *vars, PyObject *rest, Py_ssize_t limit)
{
    char head[HEAD_ROOM], tail[TAIL_ROOM];
    char *head_end = put_head(head, self), *tail_end = put_tail(tail, self->status);
    if (head_end == NULL || tail_end == NULL)
        return NULL;
    Py_ssize_t vars_size = PyBytes_Size(vars), rest_size = PyBytes_Size(rest);
    Py_ssize_t size = (head_end - head) + vars_size + (tail_end - tail) + rest_size;
    PyObject *line = size > limit ? NULL : PyBytes_FromStringAndSize(NULL, size);
    if (line == NULL)
        return NULL;
    char *at = put_text(PyBytes_AsString(line), head, head_end - head);
    at = put_text(at, PyBytes_AsString(vars), vars_size);
    at = put_text(at, tail, tail_end - tail);
    put_text(at, PyBytes_AsString(rest), rest_size);
    return line;
}

/* line(names, known, short, rest, limit)

   names: the variables to track, or None for all; known: sets of names that are kept whole; short:
   characters of a text that fits for sure; rest: the fields that records of a route share, encoded;
   limit: bytes of a record. */
PyObject *
fast_line(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    RequestStart *self = (RequestStart *)object;
    if (count != 5 || !(arguments[0] == Py_None || PyTuple_Check(arguments[0]))
        || !PyAnySet_Check(arguments[1]) || !PyBytes_Check(arguments[3])) {
        PyErr_SetString(PyExc_TypeError, "expected line(names, known, short, rest, limit)");
        return NULL;
    }
    Py_ssize_t short_text = PyLong_AsSsize_t(arguments[2]), limit = PyLong_AsSsize_t(arguments[4]);
    if (PyErr_Occurred())
        return NULL;
    PyObject *vars = NULL, *line = NULL;
    if (self->g != NULL && self->g != Py_None && !has_more_to_tell(self))
        vars = encoded_vars(self->g, arguments[0], arguments[1], short_text);
    if (vars != NULL)
        line = whole_line(self, vars, arguments[3], limit);
    Py_XDECREF(vars);
    if (line != NULL)
        return line;
    PyErr_Clear(); /* who makes the line instead will meet it, too */
    Py_RETURN_NONE;
}
