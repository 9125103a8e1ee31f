package engine

import (
	"retcon/llama"
	"retcon/lm"
)

var _ lm.Chatter = (*Model)(nil)

// Tokenize splits text as llama.cpp does for this file.
func (m *Model) Tokenize(text string, special bool) ([]lm.Token, error) {
	return m.model.Tokenize(text, special)
}

// Chat is a conversation as the file's chat template writes it, or the one of
// Options.
func (m *Model) Chat(messages []lm.Message, assistant bool) (lm.Text, error) {
	turns := make([]llama.ChatMessage, len(messages))
	for i, msg := range messages {
		turns[i] = llama.ChatMessage(msg)
	}
	return m.model.RenderChat(m.opts.ChatTemplate, turns, assistant)
}

// Text is the text of tokens, control tokens left out.
func (m *Model) Text(tokens []int32) string { return m.model.Text(tokens) }

// EndsText reports whether a token ends a generation.
func (m *Model) EndsText(token int32) bool { return m.model.EndsText(token) }
