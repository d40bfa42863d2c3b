/* The module flask_chest._speedups._compiled; __init__.py says what it is for. */

#include "speedups.h"

static PyObject *
get_current_process(PyObject *module, PyObject *nothing)
{
    return PyLong_FromLongLong(current_process);
}

static PyMethodDef functions[] = {
    {"current_process", get_current_process, METH_NOARGS,
     "Return a number that differs from those of all ancestors."},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "flask_chest._speedups._compiled",
    .m_size = -1, /* all interpreters share the objects of names.c */
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
add_members(PyObject *module)
{
    if (look_up_names() < 0)
        return -1;
    if (install_fork_hook() != 0) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *id_maker = add_type(module, "IdMaker", &id_maker_spec);
    if (id_maker == NULL)
        return -1;
    remember_id_maker_type(id_maker);
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
    if (module != NULL && add_members(module) < 0)
        Py_CLEAR(module);
    return module;
}
