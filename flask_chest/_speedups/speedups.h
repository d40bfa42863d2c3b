/* What the files of this folder share. Only the stable ABI is used, so that one build serves every
   Python from 3.10 on: https://docs.python.org/3/c-api/stable.html */

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

/* One request on its way. Objects may be NULL: nobody has to call __init__, all can be deleted. */
typedef struct {
    PyObject_HEAD
    PyObject *recorder, *environ, *server;
    PyObject *id, *request_id;
    PyObject *g, *g_at_teardown, *response, *error, *status, *encoding, *recorded;
    long long time;
    double started;
    char id_generated, echo_request_id, start_unknown;
} RequestStart;

/* Takes the reference to a value. */
static inline void
replace(PyObject **place, PyObject *value)
{
    PyObject *before = *place;
    *place = value;
    Py_XDECREF(before);
}

/* Takes a reference of its own. */
static inline void
keep(PyObject **place, PyObject *value)
{
    Py_INCREF(value);
    replace(place, value);
}

/* The end of what PyType_FromSpec() made a type of: https://docs.python.org/3/c-api/typeobj.html */
static inline void
free_object(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* names.c: texts and functions that are looked up once, when the module is imported. */
extern PyObject *name_validate_request_id, *name_dict, *name_ids, *name_generate_request_id, *name_parse_status;
extern PyObject *name_perf_counter, *name_time_ns, *name_traceparent;
extern PyObject *name_request_id_generator, *name_request_id_header, *name_request_id_environ_key;
extern PyObject *name_request_id_header_lower;
extern PyObject *crc32_function, *dumps_function, *randbits_function, *time_module;
int find_names(void);

/* text.c: each puts something at a place and returns the place behind it. */
char *put_text(char *at, const char *text, Py_ssize_t size);
char *put_decimal(char *at, uint64_t number, int digits);
char *put_hex(char *at, uint64_t number, int digits);
int stands_for_itself(const char *text, Py_ssize_t size);

/* The text of a str, in UTF-8; NULL, without an exception, of anything else. */
const char *utf8_of(PyObject *object, Py_ssize_t *size);

/* ids.c */
extern pid_t this_process;
extern PyType_Spec id_maker_spec;
int watch_forks(void);
int is_id_maker(PyObject *object);
void know_id_maker(PyObject *type);
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
