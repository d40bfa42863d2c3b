/* Writes numbers and texts one after another. sprintf() takes ten times as long. */

#include "speedups.h"

char *
put_text(char *at, const char *text, Py_ssize_t size)
{
    memcpy(at, text, size);
    return at + size;
}

char *
put_decimal(char *at, uint64_t number, int digits)
{
    char backwards[20];
    int count = 0;
    do
        backwards[count++] = '0' + number % 10;
    while (number /= 10);
    while (count < digits)
        backwards[count++] = '0';
    while (count)
        *at++ = backwards[--count];
    return at;
}

char *
put_hex(char *at, uint64_t number, int digits)
{
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[number >> shift & 15];
    return at;
}

/* Return whether JSON writes a text unchanged. */
int
needs_no_escape(const char *text, Py_ssize_t size)
{
    for (Py_ssize_t index = 0; index < size; index++) {
        unsigned char character = text[index];
        if (character < 0x20 || character > 0x7e || character == '"' || character == '\\')
            return 0;
    }
    return 1;
}

const char *
utf8_of(PyObject *object, Py_ssize_t *size)
{
    if (object == NULL || !PyUnicode_Check(object))
        return NULL;
    const char *text = PyUnicode_AsUTF8AndSize(object, size);
    if (text == NULL)
        PyErr_Clear(); /* a lone surrogate */
    return text;
}
