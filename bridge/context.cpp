// A context: its KV cache, decodes, logits and adapters.
#include "capture.h"
#include "internal.h"

#include <cmath>

rc::threads::threads(int n) : n(n) {
    ggml_threadpool_params p = ggml_threadpool_params_default(n);
    pool = ggml_threadpool_new(&p);
    if (pool == nullptr) {
        fail(RC_NO_MEMORY, "cannot start %d threads", n);
    }
}

rc::threads::~threads() { ggml_threadpool_free(pool); }

rc_adapter::~rc_adapter() {
    if (adapter != nullptr) {
        llama_adapter_lora_free(adapter);
    }
}

rc_context::rc_context() = default;

rc_context::~rc_context() {
    if (sched != nullptr) {
        ggml_backend_sched_free(sched);
    }
    for (ggml_backend_t b : backends) {
        ggml_backend_free(b);
    }
    if (ctx != nullptr) {
        llama_free(ctx);
    }
}

ggml_tensor * rc_context::tensor(uint64_t handle) const {
    auto * t = reinterpret_cast<ggml_tensor *>(static_cast<uintptr_t>(handle));
    if (known.find(t) == known.end()) {
        rc::fail(RC_INVALID, "unknown tensor handle");
    }
    return t;
}

extern "C" {

int rc_context_new(rc_context ** out, rc_model * m, rc_context_params params, char * err) {
    *out = nullptr;
    return rc::guard(err, [&] {
        auto c = std::make_unique<rc_context>();
        c->model = m;
        c->n_batch = params.n_batch;
        c->n_seq = params.n_seq;
        c->pool = std::make_unique<rc::threads>(params.n_threads);
        c->hooks = std::make_unique<rc::hooks>();
        c->capture = std::make_unique<rc::capture>();

        llama_context_params p = llama_context_default_params();
        p.n_ctx = params.n_ctx;
        p.n_batch = params.n_batch;
        p.n_ubatch = params.n_batch; // one graph a decode
        p.n_seq_max = params.n_seq;
        p.n_outputs_max = params.n_outputs;
        p.n_outputs_max_per_seq = params.n_outputs;
        p.n_threads = params.n_threads;
        p.n_threads_batch = params.n_threads;
        p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED; // attention in plain operators
        p.type_k = GGML_TYPE_F32;
        p.type_v = GGML_TYPE_F32;
        p.kv_unified = params.unified;
        p.swa_full = true; // keep every cell: programs read them
        p.op_offload = false;
        p.cb_eval = rc::eval_callback;
        p.cb_eval_user_data = c.get();
        p.abort_callback = rc::stopped;
        p.abort_callback_data = &c->stop;

        rc::caught aborts;
        c->ctx = llama_init_from_model(m->model, p);
        if (c->ctx == nullptr) {
            rc::fail(RC_FAILED, "llama.cpp cannot make a context of %d cells for %d sequences", params.n_ctx, params.n_seq);
        }
        llama_attach_threadpool(c->ctx, c->pool->pool, c->pool->pool);
        *out = c.release();
    });
}

void rc_context_free(rc_context * c) { delete c; }
rc_stop * rc_context_stop(rc_context * c) { return &c->stop; }
int32_t rc_context_cells(const rc_context * c) { return (int32_t) llama_n_ctx(c->ctx); }

void rc_memory_clear(rc_context * c) { llama_memory_clear(llama_get_memory(c->ctx), false); }

bool rc_memory_remove(rc_context * c, int32_t seq, int32_t p0, int32_t p1) {
    return llama_memory_seq_rm(llama_get_memory(c->ctx), seq, p0, p1);
}

// A sketch computes its first node, by one thread: an assertion that is thrown
// there leaves no other waiting.
struct sketching {
    rc::caught aborts;
    rc_context * c;
    explicit sketching(rc_context * c) : c(c) { llama_set_n_threads(c->ctx, 1, 1); }
    ~sketching() { llama_set_n_threads(c->ctx, c->pool->n, c->pool->n); }
};

// n_seq[i] of the ids in seq, one token's after the other's, are those of token i.
static void decode(rc_context * c, int32_t n, const int32_t * tokens, const int32_t * pos, std::vector<int32_t> n_seq, const int32_t * seq, const int8_t * logits) {
    c->output_row.clear();
    std::vector<int8_t> want(logits, logits + n);
    std::vector<int32_t *> seq_ids(n);
    for (int32_t i = 0; i < n; seq += n_seq[i++]) {
        seq_ids[i] = const_cast<int32_t *>(seq);
    }
    llama_batch batch = {};
    batch.n_tokens = n;
    batch.token = const_cast<int32_t *>(tokens);
    batch.pos = const_cast<int32_t *>(pos);
    batch.n_seq_id = n_seq.data();
    batch.seq_id = seq_ids.data();
    batch.logits = want.data();

    c->hooks->begin();
    std::unique_ptr<sketching> sketch(c->stop.sketch ? new sketching(c) : nullptr);
    int rc = llama_decode(c->ctx, batch);
    sketch.reset();
    if (rc == 2 && c->stop.sketch && !c->stop.on) {
        return; // its graph was all that was wanted
    }
    if (c->stop.on || rc == 2) {
        rc::fail(RC_CANCELLED, "decoding was cancelled");
    }
    if (rc == 1) {
        rc::fail(RC_NO_MEMORY, "no room in the KV cache for %d more tokens (%u cells)", n, llama_n_ctx(c->ctx));
    }
    if (rc != 0) {
        rc::fail(RC_FAILED, "llama.cpp cannot decode the batch (code %d)", rc);
    }
    if (!c->hooks->error.empty()) {
        rc::fail(RC_INVALID, "%s", c->hooks->error.c_str());
    }
    llama_synchronize(c->ctx);
    c->output_row.assign(n, -1);
    for (int32_t i = 0, row = 0; i < n; i++) {
        if (want[i]) {
            c->output_row[i] = row++;
        }
    }
}

int rc_decode(rc_context * c, int32_t n, const int32_t * tokens, const int32_t * pos, const int32_t * seq, const int8_t * logits, char * err) {
    return rc::guard(err, [&] { decode(c, n, tokens, pos, std::vector<int32_t>(n, 1), seq, logits); });
}

int rc_decode_shared(rc_context * c, int32_t n, const int32_t * tokens, const int32_t * pos, const int32_t * n_seq, const int32_t * seq, const int8_t * logits, char * err) {
    return rc::guard(err, [&] { decode(c, n, tokens, pos, std::vector<int32_t>(n_seq, n_seq + n), seq, logits); });
}

static const float * logits_of(rc_context * c, int32_t i) {
    if (i < 0 || (size_t) i >= c->output_row.size() || c->output_row[i] < 0) {
        rc::fail(RC_INVALID, "no logits were asked for token %d of the batch", i);
    }
    const float * row = llama_get_logits_ith(c->ctx, i);
    if (row == nullptr) {
        rc::fail(RC_FAILED, "llama.cpp has no logits for token %d of the batch", i);
    }
    return row;
}

int rc_logits(rc_context * c, int32_t i, float * dst, char * err) {
    return rc::guard(err, [&] {
        memcpy(dst, logits_of(c, i), llama_vocab_n_tokens(c->model->vocab) * sizeof(float));
    });
}

// Pairs of one row stand side by side, so that its sum is made once.
int rc_predictions(rc_context * c, int32_t n, const int32_t * i, const int32_t * token, double * dst, int8_t * first, char * err) {
    return rc::guard(err, [&] {
        const int32_t n_vocab = llama_vocab_n_tokens(c->model->vocab);
        double log_sum = 0;
        float top = 0;
        for (int32_t j = 0; j < n; j++) {
            const float * row = logits_of(c, i[j]);
            if (token[j] < 0 || token[j] >= n_vocab) {
                rc::fail(RC_INVALID, "token %d is not in the vocabulary", token[j]);
            }
            if (j == 0 || i[j] != i[j - 1]) {
                top = row[0];
                for (int32_t k = 1; k < n_vocab; k++) {
                    top = row[k] > top ? row[k] : top;
                }
                double sum = 0;
                for (int32_t k = 0; k < n_vocab; k++) {
                    sum += expf(row[k] - top);
                }
                log_sum = top + log(sum);
            }
            dst[j] = row[token[j]] - log_sum;
            first[j] = row[token[j]] == top;
        }
    });
}

int rc_adapter_new(rc_adapter ** out, rc_model * m, const void * bytes, size_t n, char * err) {
    *out = nullptr;
    return rc::guard(err, [&] {
        rc::caught aborts;
        auto a = std::make_unique<rc_adapter>();
        std::unique_ptr<FILE, int (*)(FILE *)> f(tmpfile(), fclose);
        if (f == nullptr || fwrite(bytes, 1, n, f.get()) != n || fflush(f.get()) != 0) {
            rc::fail(RC_FAILED, "cannot write a temporary adapter");
        }
        rewind(f.get());
        a->adapter = llama_adapter_lora_init_from_file_ptr(m->model, f.get());
        if (a->adapter == nullptr) {
            rc::fail(RC_FAILED, "llama.cpp refuses the adapter");
        }
        *out = a.release();
    });
}

void rc_adapter_free(rc_adapter * a) { delete a; }

int rc_adapters_set(rc_context * c, rc_adapter ** adapters, const float * scales, size_t n, char * err) {
    return rc::guard(err, [&] {
        std::vector<llama_adapter_lora *> list(n);
        std::vector<float> s(scales, scales + n);
        for (size_t i = 0; i < n; i++) {
            list[i] = adapters[i]->adapter;
        }
        if (llama_set_adapters_lora(c->ctx, list.data(), n, s.data()) != 0) {
            rc::fail(RC_FAILED, "llama.cpp does not accept the adapters");
        }
    });
}

} // extern "C"
