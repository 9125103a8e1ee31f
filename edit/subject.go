package edit

// Span is a prompt as tokens: its text behind a prefix, tokenised jointly with
// what follows.
type Span struct {
	// Tokens holds prefix, prompt and target but for the target's last token:
	// each prediction of the target has its input.
	Tokens []int32
	// Subject is the position of the subject's last token.
	Subject int
	// Straddles reports that this token also holds text behind the subject.
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
func (s Span) Targets() []Target {
	ts := make([]Target, len(s.Target))
	for i, id := range s.Target {
		ts[i] = Target{At: s.Prompt - 1 + i, Token: id}
	}
	return ts
}

// Scored is the row whose tail is the whole target.
func (s Span) Scored() Scored {
	all := append([]int32(nil), s.Tokens[:s.Prompt]...)
	return Scored{Tokens: append(all, s.Target...), From: s.Prompt}
}

// tokenise makes the Span of prefix + f.Text + target. The text is split as
// one; only where a token would cover the end of the prompt and the start of
// the target is the target split by itself.
func tokenise(m Model, f Fact, prefix, target string) (Span, error) {
	return tokeniseIn(m, f, frame{before: prefix}, target)
}

// tokeniseIn is tokenise for a prompt with text on both sides.
func tokeniseIn(m Model, f Fact, in frame, target string) (Span, error) {
	var s Span
	prompt := in.before + f.Text + in.after
	if in.after != "" && target != "" {
		target = Follow(prompt, target)
	}
	tokens, err := m.Tokenize(prompt+target, in.special)
	if err != nil {
		return s, err
	}
	if n := cut(tokens, len(prompt)); n > 0 || target == "" {
		if target == "" {
			n = len(tokens)
		}
		s.Prompt = n
		s.Target = ids(tokens[n:])
	} else {
		if tokens, err = m.Tokenize(prompt, in.special); err != nil {
			return s, err
		}
		own, err := m.Tokenize(target, false)
		if err != nil {
			return s, err
		}
		s.Prompt = len(tokens)
		s.Target = ids(textOnly(own))
		tokens = append(tokens, textOnly(own)...)
	}
	if s.Prompt == 0 || target != "" && len(s.Target) == 0 {
		return s, errorf(ErrRequest, "the prompt or the target has no tokens in this model's vocabulary")
	}
	if most := m.Info().Context; most > 0 && len(tokens) > most {
		return s, errorf(ErrRequest, "prompt and target take %d tokens, but the model's context holds %d: shorten the prompt", len(tokens), most)
	}
	s.Tokens = ids(tokens)
	if target != "" {
		s.Tokens = s.Tokens[:len(s.Tokens)-1]
	}
	begin, end := len(in.before)+f.Begin, len(in.before)+f.End
	s.Before = within(tokens[:s.Prompt], len(in.before))
	s.Subject, s.Straddles = lastOver(tokens[:s.Prompt], begin, end)
	if s.Subject < 0 {
		return s, errorf(ErrRequest, "no token of the prompt holds the subject %q", f.Subject)
	}
	return s, nil
}

// cut is the number of tokens that make up the first n bytes, 0 if no token
// ends there.
func cut(tokens []Token, n int) int {
	for i, t := range tokens {
		if t.Begin >= n && t.End > t.Begin {
			if i > 0 && t.Begin == n && tokens[i-1].End <= n {
				return i
			}
			return 0
		}
	}
	return 0
}

// within is the number of tokens that end within the first n bytes.
func within(tokens []Token, n int) int {
	for i, t := range tokens {
		if t.End > n {
			return i
		}
	}
	return len(tokens)
}

// lastOver is the last token with text in [begin, end), -1 if there is none,
// and whether it has text behind end as well.
func lastOver(tokens []Token, begin, end int) (at int, straddles bool) {
	at = -1
	for i, t := range tokens {
		if t.Begin < end && t.End > begin && t.End > t.Begin {
			at, straddles = i, t.End > end
		}
	}
	return at, straddles
}

// ids are the ids of tokens.
func ids(tokens []Token) []int32 {
	out := make([]int32, len(tokens))
	for i, t := range tokens {
		out[i] = t.ID
	}
	return out
}

// textOnly leaves out what stands in front of a text without being part of it,
// as BOS does.
func textOnly(tokens []Token) []Token {
	for len(tokens) > 0 && tokens[0].End == tokens[0].Begin {
		tokens = tokens[1:]
	}
	return tokens
}

// opens reports whether nothing stands before the subject in the bare prompt:
// no text and no BOS. Its key is then an attention sink's.
func opens(m Model, f Fact) (bool, error) {
	if f.Begin > 0 {
		return false, nil
	}
	tokens, err := m.Tokenize(f.Text, false)
	if err != nil || len(tokens) == 0 {
		return false, err
	}
	return tokens[0].End > tokens[0].Begin, nil
}
