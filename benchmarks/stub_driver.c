/* A libcuda.so.1 that pretends cards, for trying `mlsl doctor` without any: see doctor_cards.py.
 *
 * STUB_CUDA   the CUDA that it supports, e.g. 12040
 * STUB_CARDS  name|major|minor|total bytes|free bytes, one card a semicolon
 * STUB_ERROR  what cuInit returns instead of success
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 0, CAPABILITY_MAJOR = 1, CAPABILITY_MINOR = 2, TOTAL = 3, FREE = 4, INVALID = 1, NO_DEVICE = 100, NOT_SUPPORTED = 801 };
static int current;

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}

/* Copies one field of one card; returns its length, or -1 if there is no such card. */
static int field(int card, int number, char *out, size_t size) {
    const char *at = setting("STUB_CARDS", "");
    for (; card > 0 && at; card--) at = (at = strchr(at, ';')) ? at + 1 : NULL;
    for (; number > 0 && at && *at; number--) at = (at = strchr(at, '|')) ? at + 1 : NULL;
    if (!at || !*at) return -1;
    size_t length = strcspn(at, "|;");
    if (length >= size) length = size - 1;
    memcpy(out, at, length);
    out[length] = '\0';
    return (int)length;
}

static int number(int card, int which, size_t *out) {
    char text[32];
    if (field(card, which, text, sizeof text) < 0) return INVALID;
    *out = strtoull(text, NULL, 10);
    return 0;
}

int cuInit(unsigned flags) { return atoi(setting("STUB_ERROR", "0")); }

int cuDriverGetVersion(int *version) {
    *version = atoi(setting("STUB_CUDA", "12040"));
    return 0;
}

int cuDeviceGetCount(int *count) {
    char name[256];
    for (*count = 0; field(*count, NAME, name, sizeof name) >= 0; ++*count) {}
    return 0;
}

int cuDeviceGet(int *device, int index) {
    *device = index;
    return 0;
}

int cuDeviceGetName(char *name, int size, int device) { return field(device, NAME, name, size) < 0 ? INVALID : 0; }

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    size_t found = 0;
    int code = attribute == 75   ? number(device, CAPABILITY_MAJOR, &found)
               : attribute == 76 ? number(device, CAPABILITY_MINOR, &found)
                                 : INVALID;
    *value = (int)found;
    return code;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) { return number(device, TOTAL, bytes); }

int cuDevicePrimaryCtxRetain(void **context, int device) {
    *context = &current;
    current = device;
    return 0;
}

int cuDevicePrimaryCtxRelease_v2(int device) { return 0; }

int cuCtxSetCurrent(void *context) { return 0; }

int cuMemGetInfo_v2(size_t *available, size_t *total) {
    return number(current, FREE, available) || number(current, TOTAL, total);
}

int cuGetErrorString(int code, const char **text) {
    *text = code == NO_DEVICE ? "no CUDA-capable device is detected" : NULL;
    return *text ? 0 : INVALID;
}

/* What MXNet's library must find in a driver to be loaded at all. None can be called. */
#define ABSENT(name) \
    int name(void) { return NOT_SUPPORTED; }
ABSENT(cuGraphKernelNodeGetParams)
ABSENT(cuGraphNodeGetType)
ABSENT(cuLaunchKernel)
ABSENT(cuModuleGetFunction)
ABSENT(cuModuleLoadData)
ABSENT(cuModuleLoadDataEx)
ABSENT(cuModuleUnload)
