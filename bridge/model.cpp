// Loading a model, and its vocabulary.
#include "internal.h"

rc_model::~rc_model() {
    if (model != nullptr) {
        llama_model_free(model);
    }
}

extern "C" {

int rc_model_load(rc_model ** out, const char * path, rc_model_params params, rc_stop * stop, char * err) {
    *out = nullptr;
    return rc::guard(err, [&] {
        llama_model_params p = llama_model_default_params();
        ggml_backend_dev_t none[] = {nullptr};
        if (params.cpu_only) {
            p.devices = none;
        }
        p.n_gpu_layers = params.gpu_layers < 0 ? 1 << 20 : params.gpu_layers;
        p.load_mode = params.mmap ? LLAMA_LOAD_MODE_MMAP : LLAMA_LOAD_MODE_NONE;
        p.check_tensors = params.check_tensors;
        // weights stay in the file's own layout, so that programs can read them
        p.use_extra_bufts = false;
        p.progress_callback = [](float, void * s) { return !rc::stopped(s); };
        p.progress_callback_user_data = stop;

        rc::caught aborts;
        auto m = std::make_unique<rc_model>();
        m->cpu_only = params.cpu_only;
        m->ggml_only = params.ggml_only;
        m->model = llama_model_load_from_file(path, p);
        if (m->model == nullptr) {
            if (rc::stopped(stop)) {
                rc::fail(RC_CANCELLED, "loading was cancelled");
            }
            rc::fail(RC_FAILED, "llama.cpp cannot load it");
        }
        m->vocab = llama_model_get_vocab(m->model);
        *out = m.release();
    });
}

void rc_model_free(rc_model * m) { delete m; }

void rc_model_get_info(const rc_model * m, rc_model_info * info) {
    const llama_model * model = m->model;
    *info = {};
    info->n_layer = llama_model_n_layer(model);
    info->n_embd = llama_model_n_embd(model);
    info->n_vocab = llama_vocab_n_tokens(m->vocab);
    info->n_ctx_train = llama_model_n_ctx_train(model);
    info->n_head = llama_model_n_head(model);
    info->n_swa = llama_model_n_swa(model);
    info->n_params = llama_model_n_params(model);
    info->n_bytes = llama_model_size(model);
    info->recurrent = llama_model_is_recurrent(model);
    info->hybrid = llama_model_is_hybrid(model);
    info->diffusion = llama_model_is_diffusion(model);
    info->encoder = llama_model_has_encoder(model);
    info->decoder = llama_model_has_decoder(model);
    info->bos = llama_vocab_bos(m->vocab);
    info->eos = llama_vocab_eos(m->vocab);
    info->eot = llama_vocab_eot(m->vocab);
    info->add_bos = llama_vocab_get_add_bos(m->vocab);
    info->add_eos = llama_vocab_get_add_eos(m->vocab);
}

int rc_model_meta(const rc_model * m, const char * key, char * buf, size_t n) {
    return llama_model_meta_val_str(m->model, key, buf, n);
}

bool rc_token_is_eog(const rc_model * m, int32_t token) { return llama_vocab_is_eog(m->vocab, token); }
bool rc_token_is_control(const rc_model * m, int32_t token) { return llama_vocab_is_control(m->vocab, token); }

int32_t rc_tokenize(const rc_model * m, const char * text, int32_t n_text, int32_t * tokens, int32_t cap, bool add_special, bool parse_special) {
    try {
        rc::caught aborts;
        return llama_tokenize(m->vocab, text, n_text, tokens, cap, add_special, parse_special);
    } catch (...) {
        return INT32_MIN;
    }
}

int32_t rc_token_piece(const rc_model * m, int32_t token, char * buf, int32_t cap, bool special) {
    try {
        rc::caught aborts;
        return llama_token_to_piece(m->vocab, token, buf, cap, 0, special);
    } catch (...) {
        return 0;
    }
}

} // extern "C"
