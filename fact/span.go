package fact

import (
	"retcon/internal/fault"
	"retcon/lm"
)

// Span is a prompt as tokens: its text after a prefix, tokenised jointly with
// what follows.
type Span struct {
	// Tokens holds prefix, prompt and target but for the target's last token:
	// each prediction of the target has its input.
	Tokens []int32
	// Subject is the position of the subject's last token.
	Subject int
	// Straddles reports that this token also holds text after the subject.
	Straddles bool
	// Before is the number of tokens in front of the prompt, which hold none of
	// its text.
	Before int
	// Prompt is the number of tokens before the target.
	Prompt int
	// Target has all tokens of the target.
	Target []int32
}

// Targets are the predictions that make the target.
func (s Span) Targets() []lm.Target {
	ts := make([]lm.Target, len(s.Target))
	for i, id := range s.Target {
		ts[i] = lm.Target{At: s.Prompt - 1 + i, Token: id}
	}
	return ts
}

// Scored is the row whose tail is the whole target.
func (s Span) Scored() lm.Scored {
	all := append([]int32(nil), s.Tokens[:s.Prompt]...)
	return lm.Scored{Tokens: append(all, s.Target...), From: s.Prompt}
}

// Tokenize makes the Span of prefix + f.Text + target, by [Joint].
func Tokenize(m lm.Model, f Fact, prefix, target string) (Span, error) {
	return TokenizeIn(m, f, Frame{Prefix: prefix}, target)
}

// TokenizeIn is Tokenize for a prompt with text on both sides.
func TokenizeIn(m lm.Model, f Fact, in Frame, target string) (Span, error) {
	var s Span
	prompt, at := in.around(f)
	if len(in.After) > 0 && target != "" {
		target = Follow(prompt.String(), target)
	}
	own := f.text(target)
	if in.Chat() {
		own = lm.Text{{Text: target}}
	}
	tokens, n, err := Joint(m, prompt, own)
	if err != nil {
		return s, err
	}
	s.Prompt, s.Target = n, lm.IDs(tokens[n:])
	if s.Prompt == 0 || target != "" && len(s.Target) == 0 {
		return s, fault.Errorf(ErrRequest, "the prompt or the target has no tokens in this model's vocabulary")
	}
	if most := m.Info().Context; most > 0 && len(tokens) > most {
		return s, fault.Errorf(ErrRequest, "prompt and target take %d tokens, but the model's context holds %d: shorten the prompt", len(tokens), most)
	}
	s.Tokens = lm.IDs(tokens)
	if target != "" {
		s.Tokens = s.Tokens[:len(s.Tokens)-1]
	}
	begin, end := at+f.Begin, at+f.End
	s.Before = within(tokens[:s.Prompt], at)
	first, last := over(tokens[:s.Prompt], begin, end)
	if first < 0 {
		return s, fault.Errorf(ErrRequest, "no token of the prompt holds the subject %q", f.Subject)
	}
	s.Subject = last - 1
	s.Straddles = tokens[s.Subject].End > end
	return s, nil
}

// within is the number of tokens that end within the first n bytes.
func within(tokens []lm.Token, n int) int {
	for i, t := range tokens {
		if t.End > n {
			return i
		}
	}
	return len(tokens)
}

// over are the tokens [first, end) that hold text in [from, to); first is -1 if
// none does.
func over(tokens []lm.Token, from, to int) (first, end int) {
	first = -1
	for i, t := range tokens {
		if t.Begin < to && t.End > from && t.End > t.Begin {
			if first < 0 {
				first = i
			}
			end = i + 1
		}
	}
	return first, end
}

// Opens reports whether nothing stands before the subject in the bare prompt:
// no text and no BOS. Its key is then an attention sink's.
func Opens(m lm.Model, f Fact) (bool, error) {
	if f.Begin > 0 {
		return false, nil
	}
	tokens, err := lm.Split(m, f.text(f.Text))
	if err != nil || len(tokens) == 0 {
		return false, err
	}
	return tokens[0].End > tokens[0].Begin, nil
}

// Frame is what stands around a prompt: a prefix, or a conversation.
type Frame struct {
	// Prefix stands before the prompt, and is read as the prompt is.
	Prefix string
	// Before and After are the turns of a conversation that the prompt is said
	// in. What is said, the prompt and a target, never holds control tokens.
	Before, After lm.Text
}

// Chat reports whether the frame is a conversation.
func (in Frame) Chat() bool { return len(in.Before)+len(in.After) > 0 }

// around is the prompt of a fact in the frame, and the byte at which it begins.
func (in Frame) around(f Fact) (text lm.Text, at int) {
	if !in.Chat() {
		return f.text(in.Prefix + f.Text), len(in.Prefix)
	}
	text = append(in.Before[:len(in.Before):len(in.Before)], lm.Part{Text: f.Text})
	return append(text, in.After...), len(in.Before.String())
}
