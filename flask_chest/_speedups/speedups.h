/* Declarations that the C files share. They use only the stable ABI, so that one build runs on
   every Python from 3.10 on: https://docs.python.org/3/c-api/stable.html */

#ifndef FLASK_CHEST_SPEEDUPS_H
#define FLASK_CHEST_SPEEDUPS_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <structmember.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/* The state of one request. Any object may be NULL: __init__ may not have been called, and
   attributes can be deleted. */
typedef struct {
    PyObject_HEAD
    PyObject *recorder, *environ, *server;
    PyObject *id, *request_id;
    PyObject *g, *g_at_teardown, *response, *error, *status, *encoding, *recorded;
    PyObject *inner_error, *measurements; /* NULL stands for None */
    long long time;
    double started;
    char id_generated, echo_request_id, start_unknown;
} RequestStart;

/* Store a value, and steal the reference to it. */
static inline void
store_stolen(PyObject **place, PyObject *value)
{
    PyObject *before = *place;
    *place = value;
    Py_XDECREF(before);
}

/* Store a value with a new reference. */
static inline void
store(PyObject **place, PyObject *value)
{
    Py_INCREF(value);
    store_stolen(place, value);
}

/* Return a new reference, which keeps an object while Python code runs that may drop the others. */
static inline PyObject *
own(PyObject *object)
{
    Py_XINCREF(object);
    return object;
}

/* Free an instance of a type from PyType_FromSpec():
   https://docs.python.org/3/c-api/typeobj.html */
static inline void
free_object(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* names.c */
extern PyObject *name_dict, *name_generate_request_id, *name_ids, *name_parse_status;
extern PyObject *name_perf_counter, *name_time_ns, *name_traceparent;
extern PyObject *name_request_id_generator, *name_request_id_header, *name_request_id_environ_key;
extern PyObject *name_request_id_header_lower, *name_validate_request_id;
extern PyObject *crc32_function, *dumps_function, *randbits_function, *time_module;
int look_up_names(void);

/* text.c: each put function writes at a pointer and returns the pointer behind the text. */
char *put_text(char *at, const char *text, Py_ssize_t size);
char *put_decimal(char *at, uint64_t number, int digits);
char *put_hex(char *at, uint64_t number, int digits);
int needs_no_escape(const char *text, Py_ssize_t size);

/* Return the UTF-8 bytes of a str. For any other object: NULL, without an exception. */
const char *utf8_of(PyObject *object, Py_ssize_t *size);

/* ids.c */
extern int64_t current_process;
extern PyType_Spec id_maker_spec;
int install_fork_hook(void);
int is_id_maker(PyObject *object);
void remember_id_maker_type(PyObject *type);
PyObject *make_id(PyObject *maker, long long microseconds);

/* clock.c */
int read_perf_counter(double *seconds);
int read_time(long long *microseconds);

/* request.c */
extern PyType_Spec request_start_spec;

/* response.c */
PyObject *start_response(
    PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords);

/* record_line.c */
PyObject *fast_line(PyObject *self, PyObject *const *arguments, Py_ssize_t count);

/* segment.c */
extern PyType_Spec segment_appender_spec;

#endif
