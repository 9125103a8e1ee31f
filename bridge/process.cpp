// Process-wide state: logging, names of operators and types, devices, stop flags.
#include "internal.h"

namespace rc {

std::atomic<int64_t> live{0};

static rc_log_fn log_fn = nullptr;

static void log_callback(ggml_log_level level, const char * text, void *) {
    // CONT continues the line before it; Go joins nothing, so it goes out at debug level
    static int last = GGML_LOG_LEVEL_INFO;
    int l = level == GGML_LOG_LEVEL_CONT ? last : level;
    last = l;
    if (log_fn != nullptr && text != nullptr) {
        log_fn(l, text);
    }
}

thread_local int caught::depth = 0;

// on_abort takes "folder/file.cpp:12: GGML_ASSERT(..) failed". Where it returns,
// the process ends.
static void on_abort(const char * message) {
    const char * colon = strchr(message, ':');
    for (const char * slash; colon != nullptr && (slash = strchr(message, '/')) != nullptr && slash < colon;) {
        message = slash + 1;
    }
    if (caught::depth > 0) {
        fail(RC_FAILED, "llama.cpp cannot go on (%s)", message);
    }
    fprintf(stderr, "llama.cpp cannot go on (%s)\n", message);
}

bool stopped(void * stop) {
    auto s = static_cast<rc_stop *>(stop);
    return s->on.load(std::memory_order_relaxed) != 0 || s->sketch;
}

bool is_copy_name(const char * name) {
    const char * first = strchr(name, '#');
    return first != nullptr && strchr(first + 1, '#') != nullptr;
}

std::string base_name(const char * name) {
    const char * first = strchr(name, '#');
    if (first == nullptr) {
        return name;
    }
    const char * last = strrchr(first + 1, '#');
    if (last == nullptr) {
        return name;
    }
    return std::string(first + 1, last);
}

} // namespace rc

extern "C" {

void rc_init(rc_log_fn log) {
    rc::log_fn = log;
    llama_log_set(rc::log_callback, nullptr);
    ggml_set_abort_callback(rc::on_abort);
    llama_backend_init();
    ggml_backend_load_all();
}

const char * rc_version(void) { return llama_version(); }

int rc_system_info(char * buf, size_t n) {
    std::string text;
    ggml_backend_reg_t reg = ggml_backend_reg_by_name("CPU");
    auto features = reg == nullptr ? nullptr : (ggml_backend_get_features_t) ggml_backend_reg_get_proc_address(reg, "ggml_backend_get_features");
    if (features != nullptr) {
        for (auto * f = features(reg); f->name != nullptr; f++) {
            if (strcmp(f->value, "1") == 0) {
                text += text.empty() ? "" : " ";
                text += f->name;
            }
        }
    }
    return snprintf(buf, n, "%s", text.c_str());
}

const char * rc_op_name(int op) { return op >= 0 && op < GGML_OP_COUNT ? ggml_op_name((ggml_op) op) : nullptr; }
const char * rc_unary_name(int op) { return op >= 0 && op < GGML_UNARY_OP_COUNT ? ggml_unary_op_name((ggml_unary_op) op) : nullptr; }
const char * rc_glu_name(int op) { return op >= 0 && op < GGML_GLU_OP_COUNT ? ggml_glu_op_name((ggml_glu_op) op) : nullptr; }

static bool valid_type(int type) { return type >= 0 && type < GGML_TYPE_COUNT && ggml_blck_size((ggml_type) type) > 0; }

const char * rc_type_name(int type) { return valid_type(type) ? ggml_type_name((ggml_type) type) : nullptr; }
int64_t rc_type_block(int type) { return valid_type(type) ? ggml_blck_size((ggml_type) type) : 0; }
size_t rc_type_block_bytes(int type) { return valid_type(type) ? ggml_type_size((ggml_type) type) : 0; }

int rc_rpc_add(const char * endpoint, char * err) {
    return rc::guard(err, [&] {
        typedef ggml_backend_reg_t (*add_server_t)(const char *);
        ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
        if (rpc == nullptr) {
            rc::fail(RC_UNSUPPORTED, "this build has no RPC backend (GGML_RPC)");
        }
        auto add = (add_server_t) ggml_backend_reg_get_proc_address(rpc, "ggml_backend_rpc_add_server");
        ggml_backend_reg_t reg = add == nullptr ? nullptr : add(endpoint);
        if (reg == nullptr || ggml_backend_reg_dev_count(reg) == 0) {
            rc::fail(RC_FAILED, "no RPC server answers at %s", endpoint);
        }
        ggml_backend_register(reg);
    });
}

int rc_device_count(void) { return (int) ggml_backend_dev_count(); }

int rc_device(int i, char * name, char * description, size_t n, int * type, size_t * free, size_t * total) {
    if (i < 0 || i >= rc_device_count()) {
        return RC_INVALID;
    }
    ggml_backend_dev_t dev = ggml_backend_dev_get(i);
    snprintf(name, n, "%s", ggml_backend_dev_name(dev));
    snprintf(description, n, "%s", ggml_backend_dev_description(dev));
    *type = (int) ggml_backend_dev_type(dev);
    ggml_backend_dev_memory(dev, free, total);
    return RC_OK;
}

rc_stop * rc_stop_new(void) { return new (std::nothrow) rc_stop; }
void rc_stop_set(rc_stop * s, int on) { s->on.store(on, std::memory_order_relaxed); }
void rc_stop_free(rc_stop * s) { delete s; }

int64_t rc_live_objects(void) { return rc::live.load(); }

} // extern "C"
