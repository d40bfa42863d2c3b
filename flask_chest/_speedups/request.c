/* RequestStart: the start of a request. */

#include "speedups.h"

#define FOR_EACH_OBJECT(DO) \
    DO(recorder) DO(environ) DO(server) DO(id) DO(request_id) DO(g) DO(g_at_teardown) \
    DO(response) DO(error) DO(status) DO(encoding) DO(recorded) DO(inner_error) \
    DO(measurements)

static int
traverse(PyObject *object, visitproc visit, void *arg)
{
    RequestStart *self = (RequestStart *)object;
#define VISIT(field) Py_VISIT(self->field);
    FOR_EACH_OBJECT(VISIT)
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
clear(PyObject *object)
{
    RequestStart *self = (RequestStart *)object;
#define CLEAR(field) Py_CLEAR(self->field);
    FOR_EACH_OBJECT(CLEAR)
    return 0;
}

static void
dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    clear(object);
    free_object(object);
}

/* Return the id that the caller sent, if it is valid; else NULL, perhaps with an exception. */
static PyObject *
accepted_request_id(RequestStart *self, PyObject *recorder, PyObject *environ)
{
    PyObject *key = PyObject_GetAttr(recorder, name_request_id_environ_key);
    if (key == NULL)
        return NULL;
    PyObject *sent = PyObject_GetItem(environ, key);
    Py_DECREF(key);
    if (sent == NULL) {
        if (PyErr_ExceptionMatches(PyExc_KeyError))
            PyErr_Clear();
        return NULL;
    }
    if (sent == Py_None) {
        Py_DECREF(sent);
        return NULL;
    }
    PyObject *accepted =
        PyObject_CallMethodObjArgs((PyObject *)self, name_validate_request_id, sent, NULL);
    Py_DECREF(sent);
    if (accepted == Py_None)
        Py_CLEAR(accepted);
    return accepted;
}

static int
make_record_id(RequestStart *self)
{
    PyObject *ids = PyObject_GetAttr((PyObject *)self, name_ids);
    if (ids == NULL)
        return -1;
    PyObject *made = NULL;
    if (is_id_maker(ids))
        made = make_id(ids, self->time);
    else
        PyErr_SetString(PyExc_TypeError, "ids is not a compiled IdMaker");
    Py_DECREF(ids);
    if (made == NULL)
        return -1;
    store_stolen(&self->id, made);
    return 0;
}

static int
call_generator(RequestStart *self, PyObject *recorder)
{
    PyObject *generator = PyObject_GetAttr(recorder, name_request_id_generator);
    if (generator == NULL)
        return -1;
    int result = 0;
    if (generator != Py_None) {
        PyObject *nothing = PyObject_CallMethodObjArgs(
            recorder, name_generate_request_id, (PyObject *)self, generator, NULL);
        result = nothing == NULL ? -1 : 0;
        Py_XDECREF(nothing);
    }
    Py_DECREF(generator);
    return result;
}

static int
init(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    RequestStart *self = (RequestStart *)object;
    PyObject *recorder, *environ, *server;
    if (!PyArg_UnpackTuple(arguments, "RequestStart", 3, 3, &recorder, &environ, &server))
        return -1;
    store(&self->recorder, recorder);
    store(&self->environ, environ);
    store(&self->server, server);
    if (read_perf_counter(&self->started) < 0 || read_time(&self->time) < 0
        || make_record_id(self) < 0)
        return -1;
    PyObject *accepted = accepted_request_id(self, recorder, environ);
    if (accepted != NULL) {
        store_stolen(&self->request_id, accepted);
        return 0;
    }
    if (PyErr_Occurred())
        return -1;
    if (self->id == NULL) {
        PyErr_SetString(PyExc_AttributeError, "id");
        return -1;
    }
    store(&self->request_id, self->id);
    return call_generator(self, recorder);
}

/* What each request reads is stored as objects, not as C numbers: Python reads objects faster. */
static PyObject *
new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    RequestStart *self = (RequestStart *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    store(&self->g, Py_None);
    store(&self->g_at_teardown, Py_None);
    store(&self->response, Py_None);
    store(&self->error, Py_None);
    store(&self->status, Py_None);
    store(&self->encoding, Py_None);
    store(&self->recorded, Py_False);
    self->echo_request_id = 1;
    return (PyObject *)self;
}

static PyMethodDef methods[] = {
    {"start_response", (PyCFunction)(void (*)(void))start_response, METH_FASTCALL | METH_KEYWORDS,
     "Pass the start of the response on to the server, with the request id as a header."},
    {"fast_line", (PyCFunction)(void (*)(void))fast_line, METH_FASTCALL,
     "Return the encoded line of a common record, or None to leave it to the encoder."},
    {NULL},
};

#define OBJECT(field) {#field, T_OBJECT_EX, offsetof(RequestStart, field), 0, NULL}
#define FLAG(field) {#field, T_BOOL, offsetof(RequestStart, field), 0, NULL}

static PyMemberDef members[] = {
    OBJECT(recorder), OBJECT(environ), OBJECT(id), OBJECT(request_id), OBJECT(g),
    OBJECT(g_at_teardown), OBJECT(response), OBJECT(error), OBJECT(status), OBJECT(encoding),
    OBJECT(recorded),
    {"inner_error", T_OBJECT, offsetof(RequestStart, inner_error), 0, NULL},
    {"measurements", T_OBJECT, offsetof(RequestStart, measurements), 0, NULL},
    {"time", T_LONGLONG, offsetof(RequestStart, time), 0, NULL},
    {"started", T_DOUBLE, offsetof(RequestStart, started), 0, NULL},
    FLAG(id_generated), FLAG(echo_request_id), FLAG(start_unknown),
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new},
    {Py_tp_init, init},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec request_start_spec = {
    .name = "flask_chest._speedups._compiled.RequestStart",
    .basicsize = sizeof(RequestStart),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};
