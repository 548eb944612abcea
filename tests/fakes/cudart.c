/* Stands for libcudart: the four calls that the TensorRT backend makes, over plain memory.

   $FAKE_CUDA_BYTES is how much the "GPU" has. Signatures: NVIDIA's CUDA Runtime API. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2 };
static size_t used;

int cudaMalloc(void **address, size_t size) {
    const char *limit = getenv("FAKE_CUDA_BYTES");
    if (limit && used + size > strtoul(limit, NULL, 10)) return OUT_OF_MEMORY;
    size_t *block = malloc(sizeof(size_t) * 2 + size);
    if (!block) return OUT_OF_MEMORY;
    block[0] = size;
    used += size;
    *address = block + 2;
    return SUCCESS;
}

int cudaMemcpy(void *target, const void *source, size_t size, int kind) {
    if (kind != 1 && kind != 2) return INVALID_VALUE;
    const size_t *block = (const size_t *)(kind == 1 ? target : source) - 2;
    if (size > block[0]) return INVALID_VALUE;
    memcpy(target, source, size);
    return SUCCESS;
}

int cudaFree(void *address) {
    if (!address) return SUCCESS;
    size_t *block = (size_t *)address - 2;
    used -= block[0];
    free(block);
    return SUCCESS;
}

const char *cudaGetErrorString(int code) { return code == OUT_OF_MEMORY ? "out of memory" : "invalid argument"; }
