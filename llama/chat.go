package llama

/*
#include "bridge.h"
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"retcon/lm"
)

// ChatMessage is one turn of a conversation.
type ChatMessage struct {
	Role string // "system", "user" or "assistant"
	Text string
}

// ErrTemplate reports a chat template that is missing or cannot be rendered.
var ErrTemplate = errors.New("no usable chat template")

// RenderChat is a conversation as a chat template in Jinja writes it, the file's
// own where template is empty, and with assistant the beginning of the
// assistant's answer after it. Control tokens are the template's own: what the
// messages say are parts without. Where the tokeniser puts a BOS in front of every
// text, the template's own is left out. Dates that a template writes are always the
// same one. The error wraps ErrTemplate.
func (m *Model) RenderChat(template string, messages []ChatMessage, assistant bool) (lm.Text, error) {
	if m.c == nil {
		return nil, fmt.Errorf("model: %w", ErrClosed)
	}
	if template == "" {
		template = m.info.ChatTemplate
	}
	if m.noVocab || template == "" {
		return nil, fmt.Errorf("%w: the file has no tokenizer.chat_template", ErrTemplate)
	}
	text, err := m.renderChat(template, messages, assistant)
	if err != nil {
		return nil, err
	}
	if m.info.AddsBOS && m.info.BOS >= 0 && len(text) > 0 && text[0].Control {
		text[0].Text = strings.TrimPrefix(text[0].Text, m.Piece(m.info.BOS, true))
	}
	return text, nil
}

// renderChat renders a template of Jinja.
func (m *Model) renderChat(template string, messages []ChatMessage, assistant bool) (lm.Text, error) {
	var held []unsafe.Pointer
	text := func(s string) *C.char {
		c := C.CString(s)
		held = append(held, unsafe.Pointer(c))
		return c
	}
	defer func() {
		for _, p := range held {
			C.free(p)
		}
	}()
	source := text(template)
	// a pointer more than messages, so that there is a first one
	size := C.size_t(len(messages)+1) * C.size_t(unsafe.Sizeof(source))
	roles, texts := C.malloc(size), C.malloc(size)
	held = append(held, roles, texts)
	for i, msg := range messages {
		unsafe.Slice((**C.char)(roles), len(messages))[i] = text(msg.Role)
		unsafe.Slice((**C.char)(texts), len(messages))[i] = text(msg.Text)
	}
	buf, input := make([]byte, 4096), make([]bool, 4096)
	for {
		var e errorBuffer
		var n C.size_t
		code := C.rc_chat_render(m.c, source, C.int32_t(len(messages)), (**C.char)(roles), (**C.char)(texts), C.bool(assistant),
			(*C.char)(unsafe.Pointer(&buf[0])), (*C.bool)(unsafe.Pointer(&input[0])), C.size_t(len(buf)), &n, e.ptr())
		if code != C.RC_OK {
			return nil, fmt.Errorf("%w: llama.cpp cannot render it: %s", ErrTemplate, strings.Join(strings.Fields(e.text()), " "))
		}
		if int(n) <= len(buf) {
			return inParts(buf[:n], input), nil
		}
		buf, input = make([]byte, n), make([]bool, n)
	}
}

// inParts is a conversation as text, of which the bytes with input are what
// messages say.
func inParts(text []byte, input []bool) lm.Text {
	var out lm.Text
	for begin := 0; begin < len(text); {
		end := begin + 1
		for end < len(text) && input[end] == input[begin] {
			end++
		}
		out = append(out, lm.Part{Text: string(text[begin:end]), Control: !input[begin]})
		begin = end
	}
	return out
}
