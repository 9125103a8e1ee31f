package fact

import (
	"context"
	"maps"
	"math"
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

// follow is a target as it follows a prompt: as a model said, or as the text
// tells.
func (r Request) follow(prompt, target string) string {
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
	settled := maps.Clone(r.Settled)
	if settled == nil {
		settled = map[Joined]Join{}
	}
	ask := func(prompt, target string) error {
		at := joined(prompt, target)
		if _, certain := JoinOf(prompt, target); certain || settled[at] != "" || strings.TrimSpace(target) == "" {
			return nil
		}
		j, err := r.ask(ctx, m, prompt, target)
		settled[at] = j
		return err
	}
	text, _, _, err := Place(r.Prompt, r.Subject)
	if err != nil || r.Invalid != nil {
		return nil // which Resolve says
	}
	if r.Join == "" {
		if err := ask(text, r.TargetNew); err != nil {
			return err
		}
		r.Join = settled[joined(text, r.TargetNew)]
	}
	for _, prompt := range append(append([]string{text}, r.Paraphrases...), r.Neighbours...) {
		for _, target := range []string{r.TargetNew, r.TargetTrue} {
			if err := ask(trim(prompt), target); err != nil {
				return err
			}
		}
	}
	for _, q := range others {
		if err := ask(trim(q.Prompt), q.Answer); err != nil {
			return err
		}
	}
	r.Settled = settled
	return nil
}

// ask is what a model expects after a prompt: of tokens that begin as the target
// does, letters or digits or another sign, are those with a space before it the
// likelier?
func (r *Request) ask(ctx context.Context, m Asker, prompt, target string) (Join, error) {
	if control, err := r.beginsWithControl(m, target); control || err != nil {
		return NoSpace, err
	}
	tokens, err := r.Tokens(m, prompt)
	if err != nil || len(tokens) == 0 {
		return Space, err
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimSpace(target))
	var apart, together float64
	err = m.Logits(ctx, tokens, func(pos int, row []float32) error {
		if pos < len(tokens)-1 {
			return nil
		}
		sum := logits.LogSum(row)
		for id, l := range row {
			p := math.Exp(float64(l) - sum)
			if p < 1e-6 {
				continue
			}
			text := m.Text([]int32{int32(id)})
			rest := strings.TrimPrefix(text, " ")
			begins, _ := utf8.DecodeRuneInString(rest)
			switch {
			case !sameClass(begins, first):
			case rest != text:
				apart += p
			default:
				together += p
			}
		}
		return nil
	})
	if together > apart {
		return NoSpace, err
	}
	return Space, err
}

// sameClass reports whether two signs begin words of one kind.
func sameClass(a, b rune) bool {
	if a == utf8.RuneError {
		return false
	}
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }
	return word(a) && word(b) || a == b
}
