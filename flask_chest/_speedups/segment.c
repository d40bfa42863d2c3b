/* SegmentAppender: appends records to a file of a journal, with one write() for each. */

#include "speedups.h"

#include <errno.h>
#include <unistd.h>

/* Bytes before and after a line; delivery/journal/record_framing.py describes the format. */
#define HEAD 23
#define NEWLINE 1
#define ON_STACK 4096

typedef struct {
    PyObject_HEAD
    int descriptor;
    long long size, limit;
    PyObject *counts;
    PyObject *full; /* an object, not a C flag: Python reads objects faster */
} SegmentAppender;

static void
put_frame(char *at, unsigned long checksum, PyObject *line, Py_ssize_t length, unsigned long mask)
{
    at = put_hex(at, checksum, 8);
    at = put_hex(at, length, 6);
    at = put_hex(at, mask, 8);
    *at++ = ' ';
    at = put_text(at, PyBytes_AsString(line), length);
    *at = '\n';
}

/* Retries after a signal, as os.write() does: https://peps.python.org/pep-0475/ */
static Py_ssize_t
write_once(int descriptor, const char *frame, Py_ssize_t size)
{
    Py_ssize_t written;
    int failure;
    do {
        Py_BEGIN_ALLOW_THREADS
        written = write(descriptor, frame, size);
        failure = errno;
        Py_END_ALLOW_THREADS
    } while (written < 0 && failure == EINTR && PyErr_CheckSignals() == 0);
    if (written < 0 && !PyErr_Occurred()) {
        errno = failure;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return written;
}

static Py_ssize_t
write_frame(int descriptor, unsigned long checksum, PyObject *line, Py_ssize_t size,
            unsigned long mask)
{
    char stack[ON_STACK];
    char *frame = size <= ON_STACK ? stack : PyMem_Malloc(size);
    if (frame == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    put_frame(frame, checksum, line, size - HEAD - NEWLINE, mask);
    Py_ssize_t written = write_once(descriptor, frame, size);
    if (frame != stack)
        PyMem_Free(frame);
    return written;
}

static int
increment_count(PyObject *counts, PyObject *mask)
{
    PyObject *before = own(PyDict_GetItemWithError(counts, mask));
    long long count = before == NULL ? 0 : PyLong_AsLongLong(before);
    Py_XDECREF(before);
    if (PyErr_Occurred())
        return -1;
    PyObject *after = PyLong_FromLongLong(count + 1);
    int result = after == NULL ? -1 : PyDict_SetItem(counts, mask, after);
    Py_XDECREF(after);
    return result;
}

static PyObject *
append(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    SegmentAppender *self = (SegmentAppender *)object;
    if (count != 2 || !PyBytes_Check(arguments[0]) || self->counts == NULL) {
        PyErr_SetString(PyExc_TypeError, "expected append(line: bytes, mask: int)");
        return NULL;
    }
    PyObject *line = arguments[0], *mask = arguments[1];
    /* First: crc32() of Python 3.15 warns about a mask out of range instead of refusing it. */
    unsigned long bits = PyLong_AsUnsignedLong(mask);
    if (bits == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    PyObject *sum = PyObject_CallFunctionObjArgs(crc32_function, line, mask, NULL);
    if (sum == NULL)
        return NULL;
    unsigned long checksum = PyLong_AsUnsignedLong(sum);
    Py_DECREF(sum);
    if (PyErr_Occurred())
        return NULL;
    Py_ssize_t size = HEAD + PyBytes_Size(line) + NEWLINE;
    Py_ssize_t written = write_frame(self->descriptor, checksum, line, size, bits);
    if (written < 0)
        return NULL;
    self->size += written;
    if (self->size >= self->limit)
        store(&self->full, Py_True);
    if (written != size)
        Py_RETURN_FALSE;
    /* Another thread may have replaced them during the write. */
    PyObject *counts = own(self->counts);
    int result = counts == NULL ? 0 : increment_count(counts, mask);
    Py_XDECREF(counts);
    if (result < 0)
        return NULL;
    Py_RETURN_TRUE;
}

/* Zero is the descriptor of standard input, so a file that is not open has -1. */
static PyObject *
new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *made = allocate(type, 0);
    if (made == NULL)
        return NULL;
    ((SegmentAppender *)made)->descriptor = -1;
    store(&((SegmentAppender *)made)->full, Py_False);
    return made;
}

static void
dealloc(PyObject *object)
{
    Py_CLEAR(((SegmentAppender *)object)->counts);
    Py_CLEAR(((SegmentAppender *)object)->full);
    free_object(object);
}

static PyMethodDef methods[] = {
    {"append", (PyCFunction)(void (*)(void))append, METH_FASTCALL,
     "Write one record with one system call; False if only a part of it was written."},
    {NULL},
};

static PyMemberDef members[] = {
    {"descriptor", T_INT, offsetof(SegmentAppender, descriptor), 0, NULL},
    {"size", T_LONGLONG, offsetof(SegmentAppender, size), 0, NULL},
    {"limit", T_LONGLONG, offsetof(SegmentAppender, limit), 0, NULL},
    {"full", T_OBJECT_EX, offsetof(SegmentAppender, full), 0, NULL},
    {"counts", T_OBJECT_EX, offsetof(SegmentAppender, counts), 0, NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec segment_appender_spec = {
    .name = "flask_chest._speedups._compiled.SegmentAppender",
    .basicsize = sizeof(SegmentAppender),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};
