// Conversations by a model's own chat template, with llama.cpp's Jinja engine:
// llama_chat_apply_template of the C API knows a list of templates only, and
// leaves out what they say by themselves, such as a system message.
#include "internal.h"

#include "jinja/lexer.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace {

// A template that writes the date gets this one, noon of 1 January 2026 UTC: what
// it gives must not depend on the day.
constexpr std::time_t date = 1767268800;

// most is the longest rendered text, in bytes.
constexpr size_t most = 1 << 24;

std::string piece(const llama_vocab * vocab, llama_token token) {
    if (token == LLAMA_TOKEN_NULL) {
        return "";
    }
    std::string text(64, '\0');
    int32_t n = llama_token_to_piece(vocab, token, text.data(), (int32_t) text.size(), 0, true);
    if (n < 0) {
        text.resize(-n);
        n = llama_token_to_piece(vocab, token, text.data(), (int32_t) text.size(), 0, true);
    }
    text.resize(n > 0 ? n : 0);
    return text;
}

jinja::value text_value(const std::string & text) { return jinja::mk_val<jinja::value_string>(text); }

// said is what somebody says: the engine keeps it apart from what a template
// writes, through trims and joins.
jinja::value said(const std::string & text) {
    auto value = jinja::mk_val<jinja::value_string>(text);
    value->mark_input();
    return value;
}

jinja::string render(const llama_vocab * vocab, const char * tmpl, int32_t n, const char * const * roles, const char * const * texts, bool assistant) {
    jinja::lexer lexer;
    auto tokens = lexer.tokenize(tmpl);
    jinja::program program = jinja::parse_from_tokens(tokens);

    auto messages = jinja::mk_val<jinja::value_array>();
    for (int32_t i = 0; i < n; i++) {
        auto message = jinja::mk_val<jinja::value_object>();
        message->insert("role", text_value(roles[i]));
        message->insert("content", said(texts[i]));
        messages->push_back(message);
    }
    jinja::context ctx(tokens.source);
    ctx.current_time = date;
    ctx.set_val("messages", messages);
    ctx.set_val("bos_token", text_value(piece(vocab, llama_vocab_bos(vocab))));
    ctx.set_val("eos_token", text_value(piece(vocab, llama_vocab_eos(vocab))));
    ctx.set_val("enable_thinking", jinja::mk_val<jinja::value_bool>(false));
    if (assistant) {
        ctx.set_val("add_generation_prompt", jinja::mk_val<jinja::value_bool>(true));
    }
    jinja::runtime runtime(ctx);
    return jinja::runtime::gather_string_parts(runtime.execute(program))->as_string();
}

} // namespace

extern "C" {

int rc_chat_render(const rc_model * m, const char * tmpl, int32_t n, const char * const * roles, const char * const * texts, bool assistant, char * buf, bool * input, size_t cap, size_t * length, char * err) {
    *length = 0;
    return rc::guard(err, [&] {
        jinja::string text = render(m->vocab, tmpl, n, roles, texts, assistant);
        size_t at = 0;
        for (const auto & part : text.parts) {
            if (at < cap) {
                const size_t fits = std::min(cap - at, part.val.size());
                memcpy(buf + at, part.val.data(), fits);
                std::fill_n(input + at, fits, part.is_input);
            }
            at += part.val.size();
        }
        if (at > most) {
            rc::fail(RC_FAILED, "it gives %zu bytes", at);
        }
        *length = at;
    });
}

} // extern "C"
