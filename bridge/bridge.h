// The C face of the bridge: all that retcon asks of llama.cpp and ggml.
//
// Every function that can fail returns 0 or an RC_* code and writes one line
// to err, a buffer of RC_ERR bytes. No exception and no ggml type crosses this
// header. Tensors are named by opaque handles that the bridge checks before
// use. Arrays belong to the caller unless said otherwise.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RC_ERR 1024

enum rc_code {
    RC_OK          = 0,
    RC_FAILED      = 1,
    RC_CANCELLED   = 2,
    RC_NO_MEMORY   = 3,
    RC_INVALID     = 4, // an argument that ggml would assert on
    RC_UNSUPPORTED = 5,
};

// ---- process ----------------------------------------------------------------

// levels: 1 debug, 2 info, 3 warn, 4 error (ggml_log_level); the callback may run on any thread.
typedef void (*rc_log_fn)(int level, const char * text);
void rc_init(rc_log_fn log);

const char * rc_version(void);
// Instruction sets and other features the CPU kernels were built with.
int rc_system_info(char * buf, size_t n);

// Operators and types as this ggml numbers them; NULL or 0 past the end.
const char * rc_op_name(int op);
const char * rc_unary_name(int op);
const char * rc_glu_name(int op);
const char * rc_type_name(int type);
int64_t      rc_type_block(int type);       // weights in a block
size_t       rc_type_block_bytes(int type); // bytes in a block

// Registers the RPC server at endpoint ("host:port") as devices of this process.
int rc_rpc_add(const char * endpoint, char * err);
int rc_device_count(void);
// type: 0 CPU, 1 GPU, 2 integrated GPU, 3 accelerator, 4 meta
int rc_device(int i, char * name, char * description, size_t n, int * type, size_t * free, size_t * total);

// ---- cancelling -------------------------------------------------------------

// A flag that long calls poll; set from any thread.
typedef struct rc_stop rc_stop;
rc_stop * rc_stop_new(void);
void      rc_stop_set(rc_stop *, int on);
void      rc_stop_free(rc_stop *);

// ---- model ------------------------------------------------------------------

typedef struct rc_model rc_model;

typedef struct rc_model_params {
    int32_t gpu_layers;    // negative: all
    bool    mmap;
    bool    check_tensors;
    bool    cpu_only;      // ignore every other device
    bool    ggml_only;     // programs run on no kernel of the bridge's own
} rc_model_params;

int  rc_model_load(rc_model ** out, const char * path, rc_model_params params, rc_stop * stop, char * err);
void rc_model_free(rc_model *);

typedef struct rc_model_info {
    int32_t  n_layer, n_embd, n_vocab, n_ctx_train, n_head, n_swa, n_expert;
    uint64_t n_params, n_bytes;
    bool     recurrent, hybrid, diffusion, encoder, decoder;
    int32_t  bos, eos, eot;
    bool     add_bos, add_eos;
} rc_model_info;

void rc_model_get_info(const rc_model *, rc_model_info *);
// Length of the value of a metadata key written to buf (as snprintf), or -1.
int  rc_model_meta(const rc_model *, const char * key, char * buf, size_t n);
bool rc_token_is_eog(const rc_model *, int32_t token);
bool rc_token_is_control(const rc_model *, int32_t token);

// Number of tokens, or minus the number needed when cap is too small; INT32_MIN: too long.
int32_t rc_tokenize(const rc_model *, const char * text, int32_t n_text, int32_t * tokens, int32_t cap, bool add_special, bool parse_special);
int32_t rc_token_piece(const rc_model *, int32_t token, char * buf, int32_t cap, bool special);

// Renders n messages by a chat template in Jinja, and with assistant the beginning
// of the assistant's answer after them. *length is that of the text in bytes, of
// which at most cap are written to buf, and whether each is of a message's text and
// not the template's to input.
int rc_chat_render(const rc_model *, const char * tmpl, int32_t n, const char * const * roles, const char * const * texts, bool assistant, char * buf, bool * input, size_t cap, size_t * length, char * err);

// ---- context ----------------------------------------------------------------

typedef struct rc_context rc_context;

typedef struct rc_context_params {
    int32_t n_ctx;     // cells of the KV cache
    int32_t n_batch;   // tokens in a decode, all in one graph
    int32_t n_seq;     // sequences
    int32_t n_outputs; // rows of logits in a decode
    int32_t n_threads;
    bool    unified;   // one cache for all sequences
} rc_context_params;

int  rc_context_new(rc_context ** out, rc_model *, rc_context_params, char * err);
void rc_context_free(rc_context *);
rc_stop * rc_context_stop(rc_context *); // owned by the context
int32_t rc_context_cells(const rc_context *);

void rc_memory_clear(rc_context *);
bool rc_memory_remove(rc_context *, int32_t seq, int32_t p0, int32_t p1);

// Decodes n tokens; logits[i] != 0 asks for the logits after token i.
int rc_decode(rc_context *, int32_t n, const int32_t * tokens, const int32_t * pos, const int32_t * seq, const int8_t * logits, char * err);
// The same for tokens that several sequences share, in one cache for all: token
// i belongs to n_seq[i] of the ids in seq, which has one token's after the other's.
int rc_decode_shared(rc_context *, int32_t n, const int32_t * tokens, const int32_t * pos, const int32_t * n_seq, const int32_t * seq, const int8_t * logits, char * err);
// Copies the logits [n_vocab] after token i of the last batch.
int rc_logits(rc_context *, int32_t i, float * dst, char * err);
// For n pairs: log p(token[j]) after token i[j] of the last batch, normalised in double, and
// whether token[j] is the likeliest there (first[j]).
int rc_predictions(rc_context *, int32_t n, const int32_t * i, const int32_t * token, double * dst, int8_t * first, char * err);

typedef struct rc_adapter rc_adapter;
// bytes is a whole adapter GGUF.
int  rc_adapter_new(rc_adapter ** out, rc_model *, const void * bytes, size_t n, char * err);
void rc_adapter_free(rc_adapter *);
int  rc_adapters_set(rc_context *, rc_adapter ** adapters, const float * scales, size_t n, char * err);

// ---- hooks in a decode --------------------------------------------------------

enum rc_hook_action { RC_CAPTURE = 0, RC_SET = 1, RC_ADD = 2 };

// A node is named by the nearest product (MUL_MAT or GET_ROWS) with a named
// weight at or before it, and its distance from there in execution order.
typedef struct rc_hook {
    char    weight[64];
    int32_t op;        // ggml_op of the product
    int32_t offset;    // nodes after the product
    int32_t action;
    int32_t n_rows;    // rows of the node (its dimension 1) concerned; 0: all
    const int32_t * rows;
    int32_t width;     // ne[0] expected
    int32_t n_data;    // rows of data: n_rows, or 1 for the same in each
    const float * data;  // RC_SET, RC_ADD: read during the decode
    float *       dst;   // RC_CAPTURE: written during the decode, [n_rows, width]
    int32_t fired;     // out
} rc_hook;

// The hooks serve every decode until replaced; n = 0 removes them. The array and
// what it points to must outlive that.
int rc_hooks_set(rc_context *, rc_hook * hooks, size_t n, char * err);
// From now on a decode is left after its last hook, or, without hooks, after
// its first node: its tokens have their cells in the cache, and what was not
// computed of cells and logits is undefined.
void rc_decode_brief(rc_context *, bool brief);

// ---- capture ------------------------------------------------------------------

#define RC_MAX_SRC 10
#define RC_MAX_PARAMS 16
#define RC_NONE (-1)
#define RC_SELF (-2) // the node itself, as the source of a cast is

enum rc_kind { RC_NODE = 0, RC_WEIGHT = 1, RC_CACHE = 2, RC_INPUT = 3 };

typedef struct rc_node {
    int32_t  kind;
    int32_t  op;
    int32_t  type;
    int32_t  flags;
    int64_t  ne[4];
    uint64_t nb[4];
    int32_t  params[RC_MAX_PARAMS];
    int32_t  src[RC_MAX_SRC]; // index in the table, RC_NONE or RC_SELF
    int32_t  view_src;        // index in the table, or RC_NONE
    int32_t  pad;
    uint64_t view_offs;
    uint64_t handle;          // RC_WEIGHT, RC_CACHE; in a program also its stored tensors
    char     name[64];
} rc_node;

// From now on the next decode is recorded. want holds the indices in the table
// (of an earlier, equal decode) of nodes whose values are to be kept.
int rc_capture_begin(rc_context *, const int32_t * want, size_t n_want, char * err);
// The same for the graph alone: with the CPU as the only device it is recorded
// without being computed, and the decode's output is undefined.
int rc_capture_sketch(rc_context *, char * err);
bool rc_capture_only(const rc_context *); // between begin and end: it will not be computed
// Ends the recording; *n nodes may then be read until the next begin.
int rc_capture_end(rc_context *, size_t * n, char * err);
int rc_capture_nodes(rc_context *, rc_node * dst, size_t n, char * err);
// The bytes of an input or of a wanted node.
int rc_capture_data(rc_context *, int32_t index, void * dst, size_t n, char * err);

// ---- stored tensors -----------------------------------------------------------

// Tensors that live from program to program: inputs, constants, results.
typedef struct rc_store rc_store;
int  rc_store_new(rc_store ** out, rc_context *, const int32_t * types, const int64_t (*ne)[4], size_t n, uint64_t * handles, char * err);
void rc_store_free(rc_store *);
size_t rc_store_bytes(const rc_store *);
int  rc_tensor_write(rc_context *, uint64_t handle, size_t offset, const void * src, size_t n, char * err);
int  rc_tensor_read (rc_context *, uint64_t handle, size_t offset, void * dst, size_t n, char * err);
// Copies rows [row, row + rows) of a matrix into a stored tensor of its shape, or
// of its transpose's, in type F32, F16 or BF16. *done is false, and nothing is
// written, where one of the two is not in the host's memory.
int  rc_weight_copy(rc_context *, uint64_t weight, uint64_t dst, int64_t row, int64_t rows, bool transposed, bool * done, char * err);

// ---- programs -----------------------------------------------------------------

typedef struct rc_program rc_program;

// nodes in execution order, sources before users. RC_WEIGHT, RC_CACHE and
// RC_INPUT nodes name a tensor by handle. Programs of a context share one
// compute buffer, as large as the largest needs. With any_order, products with
// plain matrices may run on the bridge's own kernel, which sums in another order
// than ggml's.
int  rc_program_new(rc_program ** out, rc_context *, const rc_node * nodes, size_t n, const int32_t * outputs, size_t n_outputs, bool any_order, char * err);
void rc_program_free(rc_program *);
int  rc_program_run(rc_program *, char * err);
int  rc_program_read(rc_program *, int32_t node, size_t offset, void * dst, size_t n, char * err);
// Runs the program node by node and writes the seconds that each took, 0 for
// what is not computed. Slower than rc_program_run: for profiles.
int  rc_program_time(rc_program *, double * seconds, char * err);
// Bytes of compute buffer that the program needs; nothing is allocated.
int  rc_program_measure(rc_program *, size_t * bytes, char * err);
// Number of graph splits of the last run (1 on one device).
int  rc_program_splits(const rc_program *);
// Whether programs that may sum in any order multiply with matrices of this type,
// and add up their rows, on the bridge's own kernel.
bool rc_own_kernel(rc_context *, int32_t type);
// Products that run on the bridge's own kernel.
size_t rc_program_products(const rc_program *);
// Frees the compute buffer that programs share.
void rc_programs_trim(rc_context *);

// ---- (de)quantise -------------------------------------------------------------

int  rc_dequantize(int type, const void * src, float * dst, int64_t n, char * err);
int  rc_quantize(int type, const float * src, void * dst, int64_t rows, int64_t row_len, const float * importance, char * err);
bool rc_quantize_needs_importance(int type);

// Live objects of each kind, for leak tests.
int64_t rc_live_objects(void);

#ifdef __cplusplus
}
#endif
