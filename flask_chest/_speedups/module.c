/* The module flask_chest._speedups._speed; what is in it, and why, says the package. */

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
    .m_name = "flask_chest._speedups._speed",
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
    PyObject *tape = add_type(module, "Tape", &tape_spec);
    Py_XDECREF(request_start);
    Py_XDECREF(tape);
    return request_start == NULL || tape == NULL ? -1 : 0;
}

PyMODINIT_FUNC
PyInit__speed(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && fill(module) < 0)
        Py_CLEAR(module);
    return module;
}
