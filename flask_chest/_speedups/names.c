/* Strings and functions that are looked up once, when the module is imported. */

#include "speedups.h"

PyObject *name_dict, *name_generate_request_id, *name_ids, *name_parse_status;
PyObject *name_perf_counter, *name_time_ns, *name_traceparent;
PyObject *name_request_id_generator, *name_request_id_header, *name_request_id_environ_key;
PyObject *name_request_id_header_lower, *name_validate_request_id;
PyObject *crc32_function, *dumps_function, *randbits_function, *time_module;

static const struct {
    PyObject **place;
    const char *text;
} names[] = {
    {&name_dict, "__dict__"},
    {&name_generate_request_id, "generate_request_id"},
    {&name_ids, "ids"},
    {&name_parse_status, "parse_status"},
    {&name_perf_counter, "perf_counter"},
    {&name_request_id_generator, "request_id_generator"},
    {&name_request_id_header, "request_id_header"},
    {&name_request_id_environ_key, "request_id_environ_key"},
    {&name_request_id_header_lower, "request_id_header_lower"},
    {&name_time_ns, "time_ns"},
    {&name_traceparent, "HTTP_TRACEPARENT"},
    {&name_validate_request_id, "validate_request_id"},
};

static PyObject *
import_function(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    if (module == NULL)
        return NULL;
    PyObject *function = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    return function;
}

int
look_up_names(void)
{
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        *names[index].place = PyUnicode_InternFromString(names[index].text);
        if (*names[index].place == NULL)
            return -1;
    }
    if ((crc32_function = import_function("zlib", "crc32")) == NULL
        || (dumps_function = import_function("orjson", "dumps")) == NULL
        || (randbits_function = import_function("secrets", "randbits")) == NULL)
        return -1;
    time_module = PyImport_ImportModule("time");
    return time_module == NULL ? -1 : 0;
}
