/* The module flask_chest._speedups._compiled; what is in it, and why, says the package. */

#include "speedups.h"

static PyObject *
current_pid(PyObject *module, PyObject *nothing)
{
    return PyLong_FromLong(this_process);
}

static PyMethodDef functions[] = {
    {"current_pid", current_pid, METH_NOARGS, "As os.getpid(), without asking the system."},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "flask_chest._speedups._compiled",
    .m_size = -1, /* names.c keeps what it found for all interpreters */
    .m_methods = functions,
};

static PyObject *
add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL || PyModule_AddObjectRef(module, name, type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return type;
}

static int
fill(PyObject *module)
{
    if (find_names() < 0)
        return -1;
    if (watch_forks() != 0) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *id_maker = add_type(module, "IdMaker", &id_maker_spec);
    if (id_maker == NULL)
        return -1;
    know_id_maker(id_maker);
    PyObject *request_start = add_type(module, "RequestStart", &request_start_spec);
    PyObject *segment_appender = add_type(module, "SegmentAppender", &segment_appender_spec);
    Py_XDECREF(request_start);
    Py_XDECREF(segment_appender);
    return request_start == NULL || segment_appender == NULL ? -1 : 0;
}

PyMODINIT_FUNC
PyInit__compiled(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && fill(module) < 0)
        Py_CLEAR(module);
    return module;
}
