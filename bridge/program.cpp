// Graphs that come back as tables: programs that run on llama.cpp's kernels over
// the model's own weights.
#include "capture.h"
#include "internal.h"

#include <algorithm>
#include <deque>

struct rc_program : rc::counted {
    rc_context * context = nullptr;
    ggml_context * tensors = nullptr;
    ggml_cgraph * graph = nullptr;
    std::vector<ggml_tensor *> table; // index of the table -> tensor
    std::vector<ggml_tensor> fresh;   // as built, before a scheduler gave memory
    std::vector<ggml_tensor *> own;   // tensors of this program, as in fresh
    std::deque<rc::product_task> products; // on the bridge's kernel
    int splits = 0;

    ~rc_program();
    void restore();
    void attach();
    size_t measure();
    // tensors that the scheduler must hash: nodes, leaves and its copies
    size_t graph_size() const { return 2 * table.size() + 64; }
};

rc_program::~rc_program() {
    if (context->attached == this) {
        context->attached = nullptr;
        ggml_backend_sched_reset(context->sched);
    }
    if (tensors != nullptr) {
        ggml_free(tensors);
    }
}

// init_backends makes the backends that programs run on: the model's devices, then the CPU.
void rc_context::init_backends() {
    if (!backends.empty()) {
        return;
    }
    std::vector<ggml_backend_dev_t> devices;
    for (size_t i = 0; i < ggml_backend_dev_count() && !model->cpu_only; i++) {
        ggml_backend_dev_t d = ggml_backend_dev_get(i);
        auto type = ggml_backend_dev_type(d);
        if (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU) {
            devices.push_back(d);
        }
    }
    devices.push_back(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
    for (ggml_backend_dev_t d : devices) {
        ggml_backend_t b = ggml_backend_dev_init(d, nullptr);
        if (b == nullptr) {
            rc::fail(RC_FAILED, "cannot start the backend of %s", ggml_backend_dev_name(d));
        }
        backends.push_back(b);
        if (ggml_backend_dev_type(d) == GGML_BACKEND_DEVICE_TYPE_CPU) {
            ggml_backend_cpu_set_n_threads(b, pool->n);
            ggml_backend_cpu_set_threadpool(b, pool->pool);
            ggml_backend_cpu_set_abort_callback(b, rc::stopped, &stop);
        }
    }
}

// reserve_sched makes the scheduler large enough for n tensors.
static void reserve_sched(rc_context * c, size_t n) {
    c->init_backends();
    if (c->sched != nullptr && c->sched_size >= n) {
        return;
    }
    if (c->sched != nullptr) {
        ggml_backend_sched_free(c->sched);
    }
    c->attached = nullptr;
    c->sched_size = std::max<size_t>(n + n / 2, 4096);
    c->sched = ggml_backend_sched_new(c->backends.data(), nullptr, (int) c->backends.size(), c->sched_size, false, false);
    if (c->sched == nullptr) {
        rc::fail(RC_NO_MEMORY, "cannot make a scheduler");
    }
}

void rc_program::restore() {
    for (size_t i = 0; i < own.size(); i++) {
        *own[i] = fresh[i];
    }
}

void rc_program::attach() {
    if (context->attached == this) {
        return;
    }
    reserve_sched(context, graph_size());
    ggml_backend_sched_reset(context->sched);
    context->attached = nullptr;
    restore();
    if (!ggml_backend_sched_alloc_graph(context->sched, graph)) {
        rc::fail(RC_NO_MEMORY, "no memory for the program's values");
    }
    splits = ggml_backend_sched_get_n_splits(context->sched);
    context->attached = this;
}

// measure uses a scheduler of its own: one that has only measured cannot allocate.
size_t rc_program::measure() {
    context->init_backends();
    auto & backends = context->backends;
    std::unique_ptr<ggml_backend_sched, void (*)(ggml_backend_sched_t)> sched(
        ggml_backend_sched_new(backends.data(), nullptr, (int) backends.size(), graph_size(), false, false), ggml_backend_sched_free);
    if (sched == nullptr) {
        rc::fail(RC_NO_MEMORY, "cannot make a scheduler");
    }
    if (context->attached == this) {
        context->attached = nullptr;
    }
    restore();
    std::vector<size_t> sizes(backends.size());
    ggml_backend_sched_reserve_size(sched.get(), graph, sizes.data());
    restore();
    size_t total = 0;
    for (size_t s : sizes) {
        total += s;
    }
    return total;
}

// own_kernel moves a product to the bridge's own kernel where that is the one for it.
static void own_kernel(rc_program & p, ggml_tensor * t) {
    if ((t->op != GGML_OP_MUL_MAT && t->op != GGML_OP_OUT_PROD) || p.context->model->ggml_only || p.context->backends.size() > 1) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (t->src[i]->buffer != nullptr && !ggml_backend_buffer_is_host(t->src[i]->buffer)) {
            return; // a leaf elsewhere, or in an order of ggml's own
        }
    }
    if (!rc::product_fits(t)) {
        return;
    }
    auto & pool = *p.context->pool;
    if (pool.products == nullptr) {
        pool.products = std::make_unique<rc::product_memory>(pool.n);
    }
    rc::product_task & task = p.products.emplace_back(*pool.products, t->op);
    ggml_tensor * made = ggml_custom_4d(p.tensors, t->type, t->ne[0], t->ne[1], t->ne[2], t->ne[3], t->src, 2, rc::product, GGML_N_TASKS_MAX, &task);
    t->op = made->op;
    memcpy(t->op_params, made->op_params, sizeof(t->op_params));
}

// build turns the table into tensors and a graph.
static void build(rc_program & p, const rc_node * nodes, size_t n, const int32_t * outputs, size_t n_outputs, bool any_order) {
    rc_context & c = *p.context;
    c.init_backends();
    ggml_init_params ip = {};
    // a product on the bridge's kernel is made twice, see own_kernel
    ip.mem_size = (any_order ? 2 : 1) * n * ggml_tensor_overhead() + ggml_graph_overhead_custom(n + 1, false) + 4096;
    ip.no_alloc = true;
    p.tensors = ggml_init(ip);
    if (p.tensors == nullptr) {
        rc::fail(RC_NO_MEMORY, "out of memory for a program of %zu nodes", n);
    }
    p.table.resize(n);
    auto at = [&](int32_t i, size_t user) -> ggml_tensor * {
        if (i < 0) {
            return nullptr;
        }
        if ((size_t) i >= user) {
            rc::fail(RC_INVALID, "node %zu of the program uses node %d before it is made", user, i);
        }
        return p.table[i];
    };
    for (size_t i = 0; i < n; i++) {
        const rc_node & d = nodes[i];
        if (d.kind != RC_NODE) {
            p.table[i] = c.tensor(d.handle);
            continue;
        }
        if (rc_type_name(d.type) == nullptr || d.op <= GGML_OP_NONE || d.op >= GGML_OP_COUNT) {
            rc::fail(RC_INVALID, "node %zu of the program has operator %d, type %d", i, d.op, d.type);
        }
        ggml_tensor * t = ggml_new_tensor(p.tensors, (ggml_type) d.type, 4, d.ne);
        for (int k = 0; k < 4; k++) {
            t->nb[k] = d.nb[k];
        }
        t->op = (ggml_op) d.op;
        memcpy(t->op_params, d.params, sizeof(t->op_params));
        for (int k = 0; k < RC_MAX_SRC; k++) {
            t->src[k] = d.src[k] == RC_SELF ? t : at(d.src[k], i);
        }
        t->view_src = at(d.view_src, i);
        t->view_offs = d.view_offs;
        t->flags = GGML_TENSOR_FLAG_COMPUTE;
        snprintf(t->name, sizeof(t->name), "%s", d.name);
        if (any_order) {
            own_kernel(p, t);
        }
        if (t->op == GGML_OP_OUT_PROD && (t->src[0]->type == GGML_TYPE_F16 || t->src[0]->type == GGML_TYPE_BF16)) {
            rc::fail(RC_UNSUPPORTED, "no kernel adds up rows of %s", ggml_type_name(t->src[0]->type));
        }
        p.table[i] = t;
        p.own.push_back(t);
    }
    for (size_t i = 0; i < n_outputs; i++) {
        ggml_tensor * t = outputs[i] < 0 ? nullptr : at(outputs[i], n);
        if (t == nullptr || nodes[outputs[i]].kind != RC_NODE) {
            rc::fail(RC_INVALID, "output %zu of the program is no node of it", i);
        }
        t->flags |= GGML_TENSOR_FLAG_OUTPUT;
    }
    p.graph = ggml_new_graph_custom(p.tensors, n + 1, false);
    for (ggml_tensor * t : p.own) {
        // sources come first in the table, so this keeps its order
        ggml_build_forward_expand(p.graph, t);
    }
    for (ggml_tensor * t : p.own) {
        p.fresh.push_back(*t);
    }
}

extern "C" {

int rc_program_new(rc_program ** out, rc_context * c, const rc_node * nodes, size_t n, const int32_t * outputs, size_t n_outputs, bool any_order, char * err) {
    *out = nullptr;
    return rc::guard(err, [&] {
        auto p = std::make_unique<rc_program>();
        p->context = c;
        build(*p, nodes, n, outputs, n_outputs, any_order);
        *out = p.release();
    });
}

void rc_program_free(rc_program * p) { delete p; }

int rc_program_run(rc_program * p, char * err) {
    return rc::guard(err, [&] {
        p->attach();
        ggml_status status = ggml_backend_sched_graph_compute(p->context->sched, p->graph);
        if (status == GGML_STATUS_ABORTED || p->context->stop.on) {
            rc::fail(RC_CANCELLED, "the program was cancelled");
        }
        if (status != GGML_STATUS_SUCCESS) {
            rc::fail(RC_FAILED, "the program failed: %s", ggml_status_to_string(status));
        }
    });
}

int rc_program_time(rc_program * p, double * seconds, char * err) {
    return rc::guard(err, [&] {
        std::unordered_map<const ggml_tensor *, size_t> index;
        for (size_t i = 0; i < p->table.size(); i++) {
            seconds[i] = 0;
            index[p->table[i]] = i;
        }
        struct clock {
            std::unordered_map<const ggml_tensor *, size_t> & index;
            double * seconds;
            int64_t start;
        } c = {index, seconds, 0};
        p->attach();
        auto sched = p->context->sched;
        ggml_backend_sched_set_eval_callback(sched, [](ggml_tensor * t, bool ask, void * data) {
            auto & c = *static_cast<clock *>(data);
            if (ask) {
                c.start = ggml_time_us();
            } else if (auto found = c.index.find(t); found != c.index.end()) {
                c.seconds[found->second] += (ggml_time_us() - c.start) * 1e-6;
            }
            return true;
        }, &c);
        ggml_status status = ggml_backend_sched_graph_compute(sched, p->graph);
        ggml_backend_sched_set_eval_callback(sched, nullptr, nullptr);
        if (status == GGML_STATUS_ABORTED || p->context->stop.on) {
            rc::fail(RC_CANCELLED, "the program was cancelled");
        }
        if (status != GGML_STATUS_SUCCESS) {
            rc::fail(RC_FAILED, "the program failed: %s", ggml_status_to_string(status));
        }
    });
}

int rc_program_read(rc_program * p, int32_t node, size_t offset, void * dst, size_t n, char * err) {
    return rc::guard(err, [&] {
        if (node < 0 || (size_t) node >= p->table.size()) {
            rc::fail(RC_INVALID, "the program has no node %d", node);
        }
        ggml_tensor * t = p->table[node];
        if (p->context->attached != p || t->buffer == nullptr) {
            rc::fail(RC_INVALID, "the program has not run since another did");
        }
        if (offset > ggml_nbytes(t) || n > ggml_nbytes(t) - offset) {
            rc::fail(RC_INVALID, "%zu bytes at %zu are past the end of %s", n, offset, t->name);
        }
        ggml_backend_tensor_get(t, dst, offset, n);
    });
}

int rc_program_measure(rc_program * p, size_t * bytes, char * err) {
    return rc::guard(err, [&] { *bytes = p->measure(); });
}

bool rc_own_kernel(rc_context * c, int32_t type) {
    char err[RC_ERR];
    bool own = false;
    rc::guard(err, [&] {
        c->init_backends();
        own = rc_type_name(type) != nullptr && !c->model->ggml_only && c->backends.size() == 1 && rc::product_takes((ggml_type) type);
    });
    return own;
}

int rc_program_splits(const rc_program * p) { return p->splits; }
size_t rc_program_products(const rc_program * p) { return p->products.size(); }

void rc_programs_trim(rc_context * c) {
    if (c->sched != nullptr) {
        ggml_backend_sched_free(c->sched);
        c->sched = nullptr;
        c->sched_size = 0;
        c->attached = nullptr;
    }
}

} // extern "C"
