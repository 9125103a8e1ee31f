package edit

import (
	"context"
	"strings"
)

// Message is one turn of a conversation.
type Message struct {
	Role string // "system", "user" or "assistant"
	Text string
}

// Chatter is a Model that knows how its conversations are written.
type Chatter interface {
	// Chat is a conversation as the model's chat template writes it, and with
	// assistant the beginning of the assistant's answer behind it. It is to be
	// tokenised with special.
	Chat(messages []Message, assistant bool) (string, error)
}

// RenderChat is what m's Chat gives. Its errors wrap ErrUnsupported: there is no
// template, or it cannot be rendered.
func RenderChat(m Model, messages []Message, assistant bool) (string, error) {
	c, ok := m.(Chatter)
	if !ok {
		return "", errorf(ErrUnsupported, "the model has no chat template")
	}
	text, err := c.Chat(messages, assistant)
	if err != nil {
		return "", errorf(ErrUnsupported, "%w; give one in Jinja with --chat-template-file, or do without chat", err)
	}
	return text, nil
}

// The contexts of a conversation that an edit can be made in, besides prefixes
// (HParams.Chat).
const (
	// ChatAnswer puts the prompt at the beginning of the assistant's turn,
	// which answers a request that has nothing to do with it.
	ChatAnswer = "answer"
	// ChatTurn lets the user write the prompt, and the assistant answer with
	// the target alone.
	ChatTurn = "turn"
	// ChatBoth does both.
	ChatBoth = "both"
)

// chatOpeners are what a user may say before the assistant comes to speak of a
// fact.
var chatOpeners = []string{
	"Hello!",
	"Tell me something interesting.",
	"What do you know about this?",
	"I have a question for you.",
	"Please answer in one sentence.",
}

// chatTasks ask for the rest of a prompt, which stands in place of {}.
var chatTasks = []string{
	"{}",
	"Please finish my sentence: {}",
	"Fill in the blank: {} ___",
}

// frame is the text around a prompt: a prefix before it, or the turns of a
// conversation.
type frame struct {
	before, after string
	special       bool // it holds control tokens
}

// chatMark stands for the prompt while a template is rendered.
const chatMark = "RETCONPROMPT"

// chatFrames are the frames of a kind of HParams.Chat, none for an empty one.
func chatFrames(m Model, kind string) ([]frame, error) {
	var out []frame
	add := func(text string) error {
		s, err := RenderChat(m, []Message{{"user", text}}, true)
		if err != nil {
			return err
		}
		f := frame{before: s, special: true}
		if strings.Contains(text, chatMark) {
			var found bool
			if f.before, f.after, found = strings.Cut(s, chatMark); !found {
				return errorf(ErrUnsupported, "the model's chat template does not write what the user says")
			}
		}
		out = append(out, f)
		return nil
	}
	if kind == ChatAnswer || kind == ChatBoth {
		for _, text := range chatOpeners {
			if err := add(text); err != nil {
				return nil, err
			}
		}
	}
	if kind == ChatTurn || kind == ChatBoth {
		for _, text := range chatTasks {
			if err := add(strings.Replace(text, slot, chatMark, 1)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// Asked is a question put to a model through its chat template.
type Asked struct {
	Question string `json:"question"`
	Before   string `json:"before"` // the answer of the model before the edits, greedy
	After    string `json:"after"`
}

// askTokens is the most tokens of an answer.
const askTokens = 24

// answers are a model's answers to questions, greedy, to the end of its turn or
// at most n tokens each.
func answers(ctx context.Context, m Model, questions []string, n int) ([]string, error) {
	var rows [][]int32
	for _, q := range questions {
		text, err := RenderChat(m, []Message{{"user", q}}, true)
		if err != nil {
			return nil, err
		}
		tokens, err := m.Tokenize(text, true)
		if err != nil {
			return nil, err
		}
		rows = append(rows, ids(tokens))
	}
	made, err := m.Generate(ctx, rows, n, 1, 0, true)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(made))
	for i, row := range made {
		out[i] = strings.TrimSpace(strings.ToValidUTF8(m.Text(row), "\ufffd"))
	}
	return out, nil
}

// question puts the questions of cfg to the model before and after its edits.
func (s *session) question(ctx context.Context, before, after func() error) error {
	if len(s.cfg.Ask) == 0 {
		return nil
	}
	if err := before(); err != nil {
		return err
	}
	was, err := answers(ctx, s.model, s.cfg.Ask, askTokens)
	if err != nil {
		return err
	}
	if err := after(); err != nil {
		return err
	}
	is, err := answers(ctx, s.model, s.cfg.Ask, askTokens)
	if err != nil {
		return err
	}
	for i, q := range s.cfg.Ask {
		s.res.Asked = append(s.res.Asked, Asked{q, was[i], is[i]})
	}
	return nil
}

// checkChat reports, before anything is computed, a chat template that is needed
// and missing, or that cannot be rendered.
func (s *session) checkChat() error {
	if s.cfg.HParams.Chat == "" && len(s.cfg.Ask) == 0 {
		return nil
	}
	for _, q := range s.cfg.Ask {
		if strings.TrimSpace(q) == "" {
			return errorf(ErrRequest, "the question is empty")
		}
	}
	_, err := chatFrames(s.model, ChatBoth)
	return err
}
