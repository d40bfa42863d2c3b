/* IdMaker: makes UUIDs of version 7, unique within a process by a counter. */

#include "speedups.h"

#include <pthread.h>
#include <unistd.h>

typedef struct {
    PyObject_HEAD
    int64_t process;
    uint64_t next;
} IdMaker;

static PyObject *id_maker_type;

/* A number that no ancestor of this process has: the process id, and above it the number of forks
   since the first process. In a new PID namespace, a child may have the process id of its parent.
   A system call in each request would cost more than its own time, because it also displaces data
   from the processor's caches. Unlike Python, the C library also reports the forks of uWSGI. */
int64_t current_process;

static void
after_fork_in_child(void)
{
    int64_t forks = (current_process >> 32) + 1;
    current_process = forks << 32 | (int64_t)getpid();
}

int
install_fork_hook(void)
{
    current_process = getpid();
    return pthread_atfork(NULL, NULL, after_fork_in_child);
}

void
remember_id_maker_type(PyObject *type)
{
    id_maker_type = type;
}

int
is_id_maker(PyObject *object)
{
    return (PyObject *)Py_TYPE(object) == id_maker_type;
}

static int
draw_first_number(IdMaker *maker)
{
    PyObject *random = PyObject_CallFunction(randbits_function, "i", 61);
    if (random == NULL)
        return -1;
    /* The highest bits are the variant. One random bit less leaves room to count. */
    maker->next = (uint64_t)2 << 62 | PyLong_AsUnsignedLongLong(random);
    maker->process = current_process;
    Py_DECREF(random);
    return PyErr_Occurred() ? -1 : 0;
}

PyObject *
make_id(PyObject *object, long long microseconds)
{
    IdMaker *maker = (IdMaker *)object;
    if (maker->process != current_process && draw_first_number(maker) < 0)
        return NULL;
    /* A test may have frozen the clock before 1970. */
    uint64_t time = microseconds < 0 ? 0 : (uint64_t)microseconds;
    char digits[32];
    /* 48 bits of milliseconds, the version, 12 bits of their fraction. */
    put_hex(digits, time / 1000 << 16 | 0x7000 | time % 1000 * 4096 / 1000, 16);
    put_hex(digits + 16, maker->next++, 16);
    return PyUnicode_FromStringAndSize(digits, sizeof digits);
}

static PyObject *
id_maker_make(PyObject *self, PyObject *microseconds)
{
    long long number = PyLong_AsLongLong(microseconds);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    return make_id(self, number);
}

static PyMethodDef methods[] = {
    {"make", id_maker_make, METH_O, "Return the id of a request, command or job."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, free_object},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec id_maker_spec = {
    .name = "flask_chest._speedups._compiled.IdMaker",
    .basicsize = sizeof(IdMaker),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
