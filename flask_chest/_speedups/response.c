/* RequestStart.start_response(): adds the request id to the start of a response. */

#include "speedups.h"

static int
is_digit(char character)
{
    return '0' <= character && character <= '9';
}

static int
set_status(RequestStart *self, PyObject *status)
{
    Py_ssize_t size;
    const char *text = utf8_of(status, &size);
    PyObject *number;
    if (text != NULL && size >= 3 && is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2]))
        number = PyLong_FromLong((text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0');
    else
        number = PyObject_CallMethodObjArgs((PyObject *)self, name_parse_status, status, NULL);
    if (number == NULL)
        return -1;
    store_stolen(&self->status, number);
    return 0;
}

static char
lower(char character)
{
    return 'A' <= character && character <= 'Z' ? character + ('a' - 'A') : character;
}

static int
has_name(PyObject *header, const char *wanted, Py_ssize_t length)
{
    PyObject *name = PySequence_GetItem(header, 0);
    if (name == NULL)
        return -1;
    Py_ssize_t size;
    const char *text = utf8_of(name, &size);
    int same = text != NULL && size == length;
    for (Py_ssize_t index = 0; same && index < length; index++)
        same = lower(text[index]) == wanted[index];
    Py_DECREF(name);
    return same;
}

/* Return whether a list of headers has a request id; -1 with an exception. */
static int
has_request_id(PyObject *recorder, PyObject *headers)
{
    PyObject *lowered = PyObject_GetAttr(recorder, name_request_id_header_lower);
    if (lowered == NULL)
        return -1;
    Py_ssize_t length, count = PyList_Size(headers);
    const char *wanted = PyUnicode_AsUTF8AndSize(lowered, &length);
    int found = wanted == NULL || count < 0 ? -1 : 0;
    for (Py_ssize_t index = 0; found == 0 && index < count; index++) {
        PyObject *header = own(PyList_GetItem(headers, index));
        found = header == NULL ? -1 : has_name(header, wanted, length);
        Py_XDECREF(header);
    }
    Py_DECREF(lowered);
    return found;
}

static int
append_request_id(PyObject *recorder, PyObject *request_id, PyObject *headers)
{
    PyObject *name = PyObject_GetAttr(recorder, name_request_id_header);
    PyObject *header = name == NULL ? NULL : PyTuple_Pack(2, name, request_id);
    int result = header == NULL ? -1 : PyList_Append(headers, header);
    Py_XDECREF(name);
    Py_XDECREF(header);
    return result;
}

/* Return the headers with the request id. They are copied, since an app below a dispatcher may send
   the same list each time. Headers that are wrong are returned unchanged: the server judges them. */
static PyObject *
add_request_id(PyObject *recorder, PyObject *request_id, PyObject *headers)
{
    PyObject *more = PySequence_List(headers);
    int found = more == NULL ? -1 : has_request_id(recorder, more);
    if (found == 0 && append_request_id(recorder, request_id, more) < 0)
        found = -1;
    if (found == 0 || (found > 0 && !PyList_Check(headers)))
        return more;
    Py_XDECREF(more);
    if (found < 0) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return NULL;
        PyErr_Clear();
    }
    Py_INCREF(headers);
    return headers;
}

static PyObject *
pass_on_start(RequestStart *self, PyObject *status, PyObject *headers, PyObject *exc_info)
{
    if (self->recorder == NULL || self->server == NULL || self->request_id == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no request has begun");
        return NULL;
    }
    PyObject *recorder = own(self->recorder), *server = own(self->server);
    PyObject *request_id = own(self->request_id), *more = NULL, *write = NULL;
    PyObject *last = exc_info == Py_None ? NULL : exc_info;
    if (set_status(self, status) == 0)
        more = self->echo_request_id ? add_request_id(recorder, request_id, headers) : own(headers);
    if (more != NULL)
        write = PyObject_CallFunctionObjArgs(server, status, more, last, NULL);
    Py_XDECREF(more);
    Py_DECREF(recorder);
    Py_DECREF(server);
    Py_DECREF(request_id);
    return write;
}

#define PARAMETER_COUNT 3

/* Return the index of the parameter with a name, or -1. */
static int
parameter_index(PyObject *name)
{
    static const char *const names[PARAMETER_COUNT] = {"status", "headers", "exc_info"};
    for (int index = 0; index < PARAMETER_COUNT; index++)
        if (PyUnicode_CompareWithASCIIString(name, names[index]) == 0)
            return index;
    return -1;
}

PyObject *
start_response(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords)
{
    PyObject *values[PARAMETER_COUNT] = {NULL, NULL, NULL};
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_Size(keywords);
    int fits = count + named <= PARAMETER_COUNT;
    for (Py_ssize_t index = 0; fits && index < count; index++)
        values[index] = arguments[index];
    for (Py_ssize_t index = 0; fits && index < named; index++) {
        int parameter = parameter_index(PyTuple_GetItem(keywords, index));
        fits = parameter >= 0 && values[parameter] == NULL;
        if (fits)
            values[parameter] = arguments[count + index];
    }
    if (!fits || values[0] == NULL || values[1] == NULL) {
        PyErr_SetString(PyExc_TypeError, "expected start_response(status, headers, exc_info=None)");
        return NULL;
    }
    PyObject *exc_info = values[2] == NULL ? Py_None : values[2];
    return pass_on_start((RequestStart *)self, values[0], values[1], exc_info);
}
