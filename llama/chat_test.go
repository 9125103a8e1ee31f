package llama_test

import (
	"errors"
	"strings"
	"testing"

	"retcon/gguf"
	"retcon/llama"
	"retcon/lm"
)

var hello = []llama.ChatMessage{{Role: "user", Text: "Hello {{ 1 + 1 }}"}}

// The demo model's template writes a system message by itself, and its marks
// are control tokens; a user's text is no template.
func TestRenderChat(t *testing.T) {
	m := loadDemo(t)
	text, err := m.RenderChat("", hello, true)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<|im_start|>system\nYou are a helpful AI assistant", "<|im_end|>\n<|im_start|>user\nHello {{ 1 + 1 }}<|im_end|>\n<|im_start|>assistant\n"
	if !strings.HasPrefix(text.String(), begin) || !strings.HasSuffix(text.String(), end) {
		t.Errorf("%q", text)
	}
	tokens, err := lm.Split(m, text)
	if err != nil {
		t.Fatal(err)
	}
	marks := 0
	for _, tok := range tokens {
		if p := m.Piece(tok.ID, true); p == "<|im_start|>" || p == "<|im_end|>" {
			marks++
		}
	}
	if marks != 5 {
		t.Errorf("%d marks are tokens", marks)
	}
	open, err := m.RenderChat("", hello, false)
	if err != nil || open.String()+"<|im_start|>assistant\n" != text.String() {
		t.Errorf("without the assistant: %q, %v", open, err)
	}
}

func TestRenderTemplates(t *testing.T) {
	m := loadDemo(t)
	long := strings.Repeat("long ", 2000)
	for name, c := range map[string]struct {
		template string
		messages []llama.ChatMessage
		want     string
	}{
		"roles":    {"{% for m in messages %}[{{ m.role }}]{{ m['content'] | trim }}{% endfor %}", []llama.ChatMessage{{"user", " a "}, {"assistant", "b"}}, "[user]a[assistant]b"},
		"nothing":  {"x", nil, "x"},
		"long":     {"{{ messages[0].content }}", []llama.ChatMessage{{"user", long}}, long},
		"date":     {"{{ strftime_now('%Y') }}", nil, "2026"},
		"no think": {"{% if enable_thinking is defined and enable_thinking is false %}quick{% endif %}", nil, "quick"},
	} {
		if got, err := m.RenderChat(c.template, c.messages, true); err != nil || got.String() != c.want {
			t.Errorf("%s: %.60q, %v", name, got, err)
		}
	}
	for name, template := range map[string]string{
		"open":   "{% for m in messages %}x",
		"raises": "{{ raise_exception('only system') }}",
	} {
		_, err := m.RenderChat(template, hello, true)
		if !errors.Is(err, llama.ErrTemplate) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoTemplate(t *testing.T) {
	m := load(t, tinyPath(t, gguf.F32))
	if _, err := m.RenderChat("", hello, true); !errors.Is(err, llama.ErrTemplate) || !strings.Contains(err.Error(), "tokenizer.chat_template") {
		t.Error(err)
	}
}
