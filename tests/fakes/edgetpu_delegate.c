/* Stands for libedgetpu.so.1 and its stick: a TensorFlow Lite delegate that takes the whole graph and computes nothing.

   The file that $FAKE_EDGETPU names says how the stick is: "here", "absent" (the delegate is refused, as libedgetpu does
   without a stick), "mismatched" (the process dies while it is created, as with a TFLite it was not built for). A call
   fails when the file no longer says "here": the stick was pulled out. Layouts of the structs: TensorFlow Lite's
   c/common.h; only the members up to the last one used are named. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, ERROR = 1 };

typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    int (*prepare)(Context *, void *node);
    int (*invoke)(Context *, void *node);
    const char *(*profiling_string)(const Context *, const void *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *later_releases[8];
} Registration;

struct Context {
    size_t tensors_size;
    int (*get_execution_plan)(Context *, IntArray **);
    void *tensors, *impl, *resize_tensor;
    void (*report_error)(Context *, const char *, ...);
    void *add_tensors, *get_node_and_registration;
    int (*replace_node_subsets)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    int (*prepare)(Context *, Delegate *);
    void *copy_from, *copy_to, *free_handle;
    int64_t flags;
    void *later_releases[8];
};

static int stick_is(const char *state) {
    char found[32] = "absent";
    const char *name = getenv("FAKE_EDGETPU");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) {
        if (!fgets(found, sizeof found, file)) found[0] = 0;
        fclose(file);
    }
    return strncmp(found, state, strlen(state)) == 0;
}

static int kernel_prepare(Context *context, void *node) { (void)context; (void)node; return OK; }

static int kernel_invoke(Context *context, void *node) {
    (void)node;
    if (stick_is("here")) return OK;
    context->report_error(context, "Failed to execute request. Could not map tensors. The device went away.");
    return ERROR;
}

static int take_all(Context *context, Delegate *delegate) {
    Registration kernel = {0};
    kernel.prepare = kernel_prepare;
    kernel.invoke = kernel_invoke;
    kernel.custom_name = "EdgeTpuDelegateForCustomOp";
    kernel.version = 1;
    IntArray *plan, *copy;
    if (context->get_execution_plan(context, &plan) != OK) return ERROR;
    size_t bytes = sizeof(int) * (1 + (size_t)plan->size);
    copy = malloc(bytes); /* the plan changes while its nodes are replaced */
    memcpy(copy, plan, bytes);
    int status = context->replace_node_subsets(context, kernel, copy, delegate);
    free(copy);
    return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    (void)keys; (void)values; (void)count;
    if (stick_is("mismatched")) abort();
    if (!stick_is("here")) {
        if (report) report("No such device");
        return NULL;
    }
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->prepare = take_all;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
