package lm

import "retcon/internal/fault"

// Message is one turn of a conversation.
type Message struct {
	Role string // "system", "user" or "assistant"
	Text string
}

// Chatter is a Model that knows how its conversations are written.
type Chatter interface {
	// Chat is a conversation as the model's chat template writes it, and with
	// assistant the beginning of the assistant's answer after it. Control tokens
	// are the template's: the parts that messages say have none.
	Chat(messages []Message, assistant bool) (Text, error)
}

// RenderChat is what m's Chat gives. Its errors wrap ErrUnsupported: there is no
// template, or it cannot be rendered.
func RenderChat(m Model, messages []Message, assistant bool) (Text, error) {
	c, ok := m.(Chatter)
	if !ok {
		return nil, fault.Errorf(ErrUnsupported, "the model has no chat template")
	}
	text, err := c.Chat(messages, assistant)
	if err != nil {
		return nil, fault.Advise(fault.Errorf(ErrUnsupported, "%w", err), fault.Template)
	}
	return text, nil
}
