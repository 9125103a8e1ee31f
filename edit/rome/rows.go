package rome

import (
	"slices"

	"retcon/edit/contexts"
	"retcon/fact"
	"retcon/internal/fault"
	"retcon/lm"
)

// editRows are the sequences of one edit: the bare prompt, the prompt after
// each prefix and in each conversation, and "{subject} is a".
type editRows struct {
	spans     []fact.Span
	kl        fact.Span
	straddles bool
	opens     bool // nothing stands before the subject in the bare prompt
}

// rowsOf tokenises the rows of a fact: the bare prompt, then those after
// prefixes, then those in conversations (HParams.Chat).
func rowsOf(m lm.Model, f fact.Fact, prefixes []string, chat string) (*editRows, error) {
	r := &editRows{}
	frames := []fact.Frame{{}}
	for _, p := range prefixes {
		frames = append(frames, fact.Frame{Prefix: p})
	}
	chats, err := contexts.Conversations(m, chat)
	if err != nil {
		return nil, err
	}
	if err := checkControl(m, f, chats); err != nil {
		return nil, err
	}
	for _, fr := range append(frames, chats...) {
		s, err := fact.TokenizeIn(m, f, fr, f.New)
		if err != nil {
			return nil, err
		}
		r.straddles = r.straddles || s.Straddles
		r.spans = append(r.spans, s)
	}
	essence := fact.Fact{Text: f.Subject + " is a", End: len(f.Subject), Request: f.Request}
	if r.kl, err = fact.Tokenize(m, essence, "", ""); err != nil {
		return nil, err
	}
	r.opens, err = fact.Opens(m, f)
	return r, err
}

// checkControl refuses conversations of what has control tokens: nobody says them.
func checkControl(m lm.Model, f fact.Fact, chats []fact.Frame) error {
	if len(chats) == 0 {
		return nil
	}
	control, err := f.ControlTokens(m, f.Text, f.New)
	if err != nil || len(control) == 0 {
		return err
	}
	return fault.Errorf(fact.ErrRequest, "the request holds the control token %s, and conversations are written by the chat template: give the prompt without it, or edit without conversations", control[0])
}

// keys are the rows as Model.Keys takes them. What follows the subject has no
// influence there and is left out, but for one token: the last of a text may
// be treated apart.
func (r *editRows) keys() []lm.Row {
	rows := make([]lm.Row, len(r.spans))
	for i, s := range r.spans {
		rows[i] = lm.Row{Tokens: s.Tokens[:min(len(s.Tokens), s.Subject+2)], At: s.Subject}
	}
	return rows
}

// objective are the rows as Model.Objective takes them: NLL is a mean over the
// prompts, without the bare one if skipBare, and KL has one row of its own, or
// the bare prompt's where both have the same tokens up to the subject.
func (r *editRows) objective(h HParams, skipBare bool) []lm.ObjectiveRow {
	rows := make([]lm.ObjectiveRow, 0, len(r.spans)+1)
	spans := r.spans
	if skipBare {
		spans = spans[1:]
	}
	for _, s := range spans {
		rows = append(rows, lm.ObjectiveRow{
			Tokens: s.Tokens, At: s.Subject,
			Targets: s.Targets(), NLLWeight: 1 / float64(len(spans)), Shared: s.Before,
		})
	}
	if h.KLFactor > 0 && h.KLPosition != KLEnd && !skipBare && r.klIsBare() {
		rows[0].KeepAt, rows[0].KLWeight = rows[0].At, h.KLFactor
		return rows
	}
	if h.KLFactor > 0 {
		kl := lm.ObjectiveRow{Tokens: r.kl.Tokens, At: r.kl.Subject, KeepAt: r.kl.Subject, KLWeight: h.KLFactor}
		if h.KLPosition == KLEnd {
			kl.KeepAt = len(kl.Tokens) - 1
		}
		rows = append(rows, kl)
	}
	return rows
}

// klIsBare reports whether the bare prompt begins as "{subject} is a" does.
func (r *editRows) klIsBare() bool {
	bare := r.spans[0]
	return slices.Equal(bare.Tokens[:bare.Subject+1], r.kl.Tokens[:r.kl.Subject+1])
}
