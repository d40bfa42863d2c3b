/* RequestStart.fast_line(): encodes a record that has no rare fields and only plain variables.

   The line has the same bytes as one from RequestState.varying_fields() and RecordEncoder.encode().
   All other records are left to them. */

#include "speedups.h"

/* Room for the longest head: the names of its fields, two ids, two numbers. */
#define HEAD_BYTES 512
#define MAX_ID_BYTES 255
#define TAIL_BYTES 40
/* From this number of microseconds on, JSON writes the milliseconds with an exponent. */
#define MAX_MICROSECONDS 1e15

#define PUT(at, literal) put_text(at, literal, sizeof literal - 1)

/* Return whether a value can be stored unchanged, as RecordEncoder._are_plain() does. */
static int
is_plain(PyObject *value, Py_ssize_t max_text)
{
    if (PyUnicode_CheckExact(value))
        return PyUnicode_GetLength(value) <= max_text;
    if (PyLong_CheckExact(value)) {
        int overflow;
        PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow == 0;
    }
    return PyFloat_CheckExact(value) || value == Py_None || value == Py_True || value == Py_False;
}

/* Copy one variable if it exists. Returns -1 with an exception. */
static int
copy_variable(PyObject *found, PyObject *values, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(values, name);
    if (value == NULL)
        return PyErr_Occurred() ? -1 : 0;
    Py_INCREF(value);
    int result = PyDict_SetItem(found, name, value);
    Py_DECREF(value);
    return result;
}

/* Return a new dict of the tracked variables. names: a tuple, or None for all variables. */
static PyObject *
tracked_variables(PyObject *values, PyObject *names)
{
    /* In one step, since another thread may put more on g in the meantime. */
    if (names == Py_None)
        return PyDict_Copy(values);
    PyObject *found = PyDict_New();
    Py_ssize_t count = found == NULL ? 0 : PyTuple_Size(names);
    for (Py_ssize_t index = 0; index < count; index++)
        if (copy_variable(found, values, PyTuple_GetItem(names, index)) < 0) {
            Py_DECREF(found);
            return NULL;
        }
    return found;
}

/* Return whether all variables are stored unchanged: known names with plain values. */
static int
are_all_plain(PyObject *found, PyObject *plain_key_sets, Py_ssize_t max_text)
{
    PyObject *names = PySequence_Tuple(found);
    int plain = names != NULL && PySet_Contains(plain_key_sets, names) == 1;
    Py_XDECREF(names);
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (plain && PyDict_Next(found, &position, &name, &value))
        plain = is_plain(value, max_text);
    return plain;
}

/* Return the encoded variables, or NULL to leave them to the encoder, perhaps with an exception. */
static PyObject *
encode_variables(PyObject *g, PyObject *names, PyObject *plain_key_sets, Py_ssize_t max_text)
{
    if (PyDict_Check(g))
        return NULL; /* its variables may be its items */
    PyObject *values = PyObject_GetAttr(g, name_dict), *found = NULL;
    if (values != NULL && PyDict_CheckExact(values))
        found = tracked_variables(values, names);
    Py_XDECREF(values);
    if (found == NULL)
        return NULL;
    PyObject *encoded = NULL;
    if (are_all_plain(found, plain_key_sets, max_text))
        encoded = PyObject_CallFunctionObjArgs(dumps_function, found, NULL);
    Py_DECREF(found);
    /* A backslash may begin an encoded NUL, which databases reject. */
    if (encoded != NULL && memchr(PyBytes_AsString(encoded), '\\', PyBytes_Size(encoded)) != NULL)
        Py_CLEAR(encoded);
    return encoded;
}

/* Write a number of microseconds as milliseconds, without trailing zeros. */
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

/* Write the fields before the variables. Returns NULL if a field needs the encoder. */
static char *
put_head(char *at, RequestStart *self, PyObject *id_object, PyObject *request_id_object)
{
    Py_ssize_t id_size, request_id_size;
    const char *id = utf8_of(id_object, &id_size);
    const char *request_id = utf8_of(request_id_object, &request_id_size);
    if (id == NULL || id_size > 32 || request_id == NULL || request_id_size > MAX_ID_BYTES
        || !needs_no_escape(request_id, request_id_size) || self->time < 0)
        return NULL;
    double now;
    if (read_perf_counter(&now) < 0)
        return NULL;
    /* Two steps, as in duration_ms(): one multiplication would round differently. */
    double elapsed = (now - self->started) * 1000;
    elapsed *= 1000;
    if (!(0 <= elapsed && elapsed < MAX_MICROSECONDS))
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

/* Return whether the record has an error, measurements or a trace id. */
static int
has_rare_fields(RequestStart *self)
{
    if (self->error != NULL && self->error != Py_None)
        return 1;
    if (self->measurements != NULL && self->measurements != Py_None)
        return 1;
    if (self->environ == NULL || !PyDict_CheckExact(self->environ))
        return 1;
    PyObject *environ = own(self->environ);
    int found = PyDict_GetItemWithError(environ, name_traceparent) != NULL || PyErr_Occurred();
    Py_DECREF(environ);
    return found;
}

static PyObject *
join_line(RequestStart *self, PyObject *vars, PyObject *suffix, Py_ssize_t max_bytes)
{
    char head[HEAD_BYTES], tail[TAIL_BYTES];
    PyObject *id = own(self->id), *request_id = own(self->request_id);
    char *head_end = put_head(head, self, id, request_id);
    char *tail_end = put_tail(tail, self->status);
    Py_XDECREF(id);
    Py_XDECREF(request_id);
    if (head_end == NULL || tail_end == NULL)
        return NULL;
    Py_ssize_t vars_size = PyBytes_Size(vars), suffix_size = PyBytes_Size(suffix);
    Py_ssize_t size = (head_end - head) + vars_size + (tail_end - tail) + suffix_size;
    PyObject *line = size > max_bytes ? NULL : PyBytes_FromStringAndSize(NULL, size);
    if (line == NULL)
        return NULL;
    char *at = put_text(PyBytes_AsString(line), head, head_end - head);
    at = put_text(at, PyBytes_AsString(vars), vars_size);
    at = put_text(at, tail, tail_end - tail);
    put_text(at, PyBytes_AsString(suffix), suffix_size);
    return line;
}

/* fast_line(names, plain_key_sets, max_text, suffix, max_bytes); _python.py documents it. */
PyObject *
fast_line(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    RequestStart *self = (RequestStart *)object;
    if (count != 5 || !(arguments[0] == Py_None || PyTuple_Check(arguments[0]))
        || !PyAnySet_Check(arguments[1]) || !PyBytes_Check(arguments[3])) {
        PyErr_SetString(PyExc_TypeError,
                        "expected fast_line(names, plain_key_sets, max_text, suffix, max_bytes)");
        return NULL;
    }
    Py_ssize_t max_text = PyLong_AsSsize_t(arguments[2]);
    Py_ssize_t max_bytes = PyLong_AsSsize_t(arguments[4]);
    if (PyErr_Occurred())
        return NULL;
    PyObject *vars = NULL, *line = NULL, *g = own(self->g);
    if (g != NULL && g != Py_None && !has_rare_fields(self))
        vars = encode_variables(g, arguments[0], arguments[1], max_text);
    Py_XDECREF(g);
    if (vars != NULL)
        line = join_line(self, vars, arguments[3], max_bytes);
    Py_XDECREF(vars);
    if (line != NULL)
        return line;
    PyErr_Clear(); /* the encoder will raise it again */
    Py_RETURN_NONE;
}
