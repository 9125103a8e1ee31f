package fact

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"retcon/internal/logits"
	"retcon/lm"
)

// Joined is a prompt and the first signs of a target that follows it, which alone
// decide how.
type Joined struct{ Prompt, First string }

// joined is what a target's joint depends on.
func joined(prompt, target string) Joined {
	target = strings.TrimSpace(target)
	_, n := utf8.DecodeRuneInString(target)
	_, m := utf8.DecodeRuneInString(target[n:])
	return Joined{prompt, target[:n+m]}
}

// follow is a target as it follows a prompt of the request: its own as Join has
// it, others as a model said, or as the text tells.
func (r Request) follow(prompt, target string) string {
	if r.Join != "" {
		if own, _, _, err := Place(r.Prompt, r.Subject); err == nil && prompt == own {
			return r.Join.put(target)
		}
	}
	if j, ok := r.Settled[joined(prompt, target)]; ok {
		return j.put(target)
	}
	return Follow(prompt, target)
}

// An Asker is a model that can be asked what follows a prompt.
type Asker interface {
	lm.Vocabulary
	lm.Scorer
}

// Settle asks a model, the unedited one, how targets follow the request's
// prompts where the text leaves that open, and remembers it: of the request's own
// prompt in Join, of paraphrases, neighbours and others besides. A request whose
// Join is set already keeps it.
func (r *Request) Settle(ctx context.Context, m Asker, others ...Question) error {
	text, _, _, err := Place(r.Prompt, r.Subject)
	if err != nil || r.Invalid != nil {
		return nil // which Resolve says
	}
	a := &asking{r: r, m: m, settled: maps.Clone(r.Settled)}
	if a.settled == nil {
		a.settled = map[Joined]Join{}
	}
	if r.Join == "" {
		if err := a.settle(ctx, text, r.TargetNew); err != nil {
			return err
		}
		r.Join = a.settled[joined(text, r.TargetNew)]
	}
	if r.Join == "" { // the new answer's joint is certain, the old one's need not be
		if err := a.settle(ctx, text, r.TargetTrue); err != nil {
			return err
		}
	}
	for _, prompt := range slices.Concat(r.Paraphrases, r.Neighbours) {
		if err := a.settle(ctx, trim(prompt), r.TargetNew, r.TargetTrue); err != nil {
			return err
		}
	}
	for _, q := range others {
		if err := a.settle(ctx, trim(q.Prompt), q.Answer); err != nil {
			return err
		}
	}
	r.Settled = a.settled
	return nil
}

// asking is a request's joints while a model is asked for them.
type asking struct {
	r       *Request
	m       Asker
	settled map[Joined]Join
}

// settle asks, once, how targets follow a prompt where its text does not tell.
func (a *asking) settle(ctx context.Context, prompt string, targets ...string) error {
	var next []expected
	for _, target := range targets {
		at := joined(prompt, target)
		if _, certain := JoinOf(prompt, target); certain || a.settled[at] != "" || at.First == "" {
			continue
		}
		if control, err := a.r.beginsWithControl(a.m, target); control || err != nil {
			a.settled[at] = NoSpace
			if err != nil {
				return err
			}
			continue
		}
		if next == nil {
			var err error
			if next, err = a.expects(ctx, prompt); err != nil {
				return err
			}
		}
		a.settled[at] = likelier(next, at.First)
	}
	return nil
}

// expected is a token that may follow a prompt.
type expected struct {
	text string
	p    float64
}

// expects are the tokens that a model expects after a prompt.
func (a *asking) expects(ctx context.Context, prompt string) ([]expected, error) {
	tokens, err := a.r.Tokens(a.m, prompt)
	out := []expected{}
	if err != nil || len(tokens) == 0 {
		return out, err
	}
	err = a.m.Logits(ctx, tokens, func(pos int, row []float32) error {
		if pos < len(tokens)-1 {
			return nil
		}
		sum := logits.LogSum(row)
		for id, l := range row {
			if p := math.Exp(float64(l) - sum); p >= 1e-6 {
				out = append(out, expected{a.m.Text([]int32{int32(id)}), p})
			}
		}
		return nil
	})
	return out, err
}

// likelier says whether, of tokens that begin as a target does, letters or digits or
// the same sign, those with a space before them are expected, or those without.
func likelier(next []expected, target string) Join {
	first, _ := utf8.DecodeRuneInString(target)
	var apart, together float64
	for _, e := range next {
		rest := strings.TrimPrefix(e.text, " ")
		begins, _ := utf8.DecodeRuneInString(rest)
		switch {
		case !sameClass(begins, first):
		case rest != e.text:
			apart += e.p
		default:
			together += e.p
		}
	}
	if together > apart {
		return NoSpace
	}
	return Space
}

// sameClass reports whether two signs begin words of one kind.
func sameClass(a, b rune) bool {
	if a == utf8.RuneError {
		return false
	}
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }
	return word(a) && word(b) || a == b
}
