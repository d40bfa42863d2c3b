/* RequestStart of request_start.py: a request begins. */

#include "speedups.h"

#define EACH_OBJECT(DO) \
    DO(recorder) DO(environ) DO(server) DO(id) DO(request_id) DO(g) DO(g_at_teardown) \
    DO(response) DO(error) DO(status) DO(encoding) DO(recorded)

static int
traverse(PyObject *object, visitproc visit, void *arg)
{
    RequestStart *self = (RequestStart *)object;
#define VISIT(field) Py_VISIT(self->field);
    EACH_OBJECT(VISIT)
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
clear(PyObject *object)
{
    RequestStart *self = (RequestStart *)object;
#define CLEAR(field) Py_CLEAR(self->field);
    EACH_OBJECT(CLEAR)
    return 0;
}

static void
dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    clear(object);
    free_object(object);
}

/* The id that a caller has sent, where that is accepted; else NULL, perhaps with an exception. */
static PyObject *
given_id(RequestStart *self)
{
    PyObject *key = PyObject_GetAttr(self->recorder, name_request_id_environ_key);
    if (key == NULL)
        return NULL;
    PyObject *given = PyObject_GetItem(self->environ, key);
    Py_DECREF(key);
    if (given == NULL) {
        if (PyErr_ExceptionMatches(PyExc_KeyError))
            PyErr_Clear();
        return NULL;
    }
    if (given == Py_None) {
        Py_DECREF(given);
        return NULL;
    }
    PyObject *accepted = PyObject_CallMethodObjArgs((PyObject *)self, name_validate_request_id, given, NULL);
    Py_DECREF(given);
    if (accepted == Py_None)
        Py_CLEAR(accepted);
    return accepted;
}

static int
make_own_id(RequestStart *self)
{
    PyObject *ids = PyObject_GetAttr((PyObject *)self, name_ids);
    if (ids == NULL)
        return -1;
    PyObject *made = NULL;
    if (is_id_maker(ids))
        made = make_id(ids, self->time);
    else
        PyErr_SetString(PyExc_TypeError, "ids is no compiled IdMaker");
    Py_DECREF(ids);
    if (made == NULL)
        return -1;
    replace(&self->id, made);
    return 0;
}

static int
call_generator(RequestStart *self)
{
    PyObject *generator = PyObject_GetAttr(self->recorder, name_request_id_generator);
    if (generator == NULL)
        return -1;
    int result = 0;
    if (generator != Py_None) {
        PyObject *nothing = PyObject_CallMethodObjArgs(
            self->recorder, name_generate_request_id, (PyObject *)self, generator, NULL);
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
    keep(&self->recorder, recorder);
    keep(&self->environ, environ);
    keep(&self->server, server);
    if (read_perf_counter(&self->started) < 0 || read_time(&self->time) < 0
        || make_own_id(self) < 0)
        return -1;
    PyObject *given = given_id(self);
    if (given != NULL) {
        replace(&self->request_id, given);
        return 0;
    }
    if (PyErr_Occurred())
        return -1;
    keep(&self->request_id, self->id);
    return call_generator(self);
}

/* Objects, and no flags among what each request asks for: Python reads those of a type of its own
   faster. */
static PyObject *
new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    RequestStart *self = (RequestStart *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    keep(&self->g, Py_None);
    keep(&self->g_at_teardown, Py_None);
    keep(&self->response, Py_None);
    keep(&self->error, Py_None);
    keep(&self->status, Py_None);
    keep(&self->encoding, Py_None);
    keep(&self->recorded, Py_False);
    self->echo_request_id = 1;
    return (PyObject *)self;
}

static PyMethodDef methods[] = {
    {"start_response", (PyCFunction)(void (*)(void))start_response, METH_FASTCALL | METH_KEYWORDS,
     "Pass the start of the response on to the server, with the request id."},
    {"fast_line", (PyCFunction)(void (*)(void))fast_line, METH_FASTCALL,
     "The record's line, where nothing seldom is to be told; else None."},
    {NULL},
};

#define OBJECT(field) {#field, T_OBJECT_EX, offsetof(RequestStart, field), 0, NULL}
#define FLAG(field) {#field, T_BOOL, offsetof(RequestStart, field), 0, NULL}

static PyMemberDef members[] = {
    OBJECT(recorder), OBJECT(environ), OBJECT(id), OBJECT(request_id), OBJECT(g),
    OBJECT(g_at_teardown), OBJECT(response), OBJECT(error), OBJECT(status), OBJECT(encoding),
    OBJECT(recorded),
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
