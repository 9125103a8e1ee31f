// Products of matrices by a kernel of the bridge's own.
#pragma once

#include "ggml.h"

#include <atomic>
#include <cstdint>
#include <memory>

namespace rc {

// product_memory holds a panel for each thread of a pool.
struct product_memory {
    explicit product_memory(int threads);
    float * panel(int thread) const; // aligned to a cache line
    std::unique_ptr<float[]> values;
};

// product_task is one product, MUL_MAT or OUT_PROD, of a graph.
struct product_task {
    const product_memory & memory;
    ggml_op op;
    std::atomic<uint64_t> next{0}; // part of the work
    product_task(const product_memory & memory, ggml_op op) : memory(memory), op(op) {}
};

// product_takes tells whether the kernel is the one for matrices of this type on
// this processor: MUL_MAT of many rows, and OUT_PROD.
bool product_takes(ggml_type t);

// product_fits tells whether the kernel is to compute the F32 tensor t.
bool product_fits(const ggml_tensor * t);

// product is a ggml_custom_op_t with the sources of the node whose place it
// takes; its user data are a product_task.
void product(ggml_tensor * dst, int thread, int threads, void * task);

} // namespace rc
