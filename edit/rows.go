package edit

import "slices"

// editRows are the sequences of one edit: the bare prompt, the prompt behind
// each prefix and in each conversation, and "{subject} is a".
type editRows struct {
	spans     []Span
	kl        Span
	straddles bool
	opens     bool // nothing stands before the subject in the bare prompt
}

// rowsOf tokenises the rows of a fact: the bare prompt, then those behind
// prefixes, then those in conversations (HParams.Chat).
func rowsOf(m Model, f Fact, prefixes []string, chat string) (*editRows, error) {
	r := &editRows{}
	frames := []frame{{}}
	for _, p := range prefixes {
		frames = append(frames, frame{before: p})
	}
	chats, err := chatFrames(m, chat)
	if err != nil {
		return nil, err
	}
	for _, fr := range append(frames, chats...) {
		s, err := tokeniseIn(m, f, fr, f.New)
		if err != nil {
			return nil, err
		}
		r.straddles = r.straddles || s.Straddles
		r.spans = append(r.spans, s)
	}
	essence := Fact{Text: f.Subject + " is a", End: len(f.Subject), Request: f.Request}
	if r.kl, err = tokenise(m, essence, "", ""); err != nil {
		return nil, err
	}
	r.opens, err = opens(m, f)
	return r, err
}

// keys are the rows as Model.Keys takes them. What follows the subject has no
// influence there and is left out, but for one token: the last of a text may
// be treated apart.
func (r *editRows) keys() []Row {
	rows := make([]Row, len(r.spans))
	for i, s := range r.spans {
		rows[i] = Row{Tokens: s.Tokens[:min(len(s.Tokens), s.Subject+2)], At: s.Subject}
	}
	return rows
}

// objective are the rows as Model.Objective takes them: NLL is a mean over the
// prompts, without the bare one if skipBare, and KL has one row of its own, or
// the bare prompt's where both have the same tokens up to the subject.
func (r *editRows) objective(h HParams, skipBare bool) []ObjectiveRow {
	rows := make([]ObjectiveRow, 0, len(r.spans)+1)
	spans := r.spans
	if skipBare {
		spans = spans[1:]
	}
	for _, s := range spans {
		rows = append(rows, ObjectiveRow{
			Tokens: s.Tokens, At: s.Subject,
			Targets: s.Targets(), NLLWeight: 1 / float64(len(spans)), Shared: s.Before,
		})
	}
	if h.KLFactor > 0 && h.KLPosition != KLEnd && !skipBare && r.klIsBare() {
		rows[0].KeepAt, rows[0].KLWeight = rows[0].At, h.KLFactor
		return rows
	}
	if h.KLFactor > 0 {
		kl := ObjectiveRow{Tokens: r.kl.Tokens, At: r.kl.Subject, KeepAt: r.kl.Subject, KLWeight: h.KLFactor}
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
