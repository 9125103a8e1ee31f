package eval

import (
	"context"
	"math"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"retcon/fact"
	"retcon/lm"
)

// fluent generates a text from each of a record's generation prompts.
type fluent struct {
	prompts    [][]int32
	seed       uint64
	snippets   *Snippets
	references string
}

const (
	fluentTokens = 100 // of a text, its prompt included
	fluentTopK   = 5
)

func newFluent(m lm.Model, rec *fact.Record, s *Snippets, seed uint64) (*fluent, error) {
	f := &fluent{seed: seed + uint64(rec.Index)*0x9e3779b97f4a7c15}
	if s != nil {
		f.references = strings.Join(s.of(rec.Relation, rec.TargetID), " ")
		f.snippets = s
	}
	for _, p := range rec.Generation {
		tokens, err := rec.Request.Tokens(m, p)
		if err != nil {
			return nil, err
		}
		f.prompts = append(f.prompts, tokens[:min(len(tokens), fluentTokens)])
	}
	return f, nil
}

// run generates, top-k 5, texts of 100 tokens, and measures them: fluency is
// 100 times the mean over texts of their n-gram entropy, consistency 100 times
// the TF-IDF cosine of all of them with the reference texts.
func (f *fluent) run(ctx context.Context, m lm.Model, v Values) error {
	texts, err := f.texts(ctx, m)
	if err != nil || len(texts) == 0 {
		return err
	}
	var sum float64
	for _, t := range texts {
		sum += NGramEntropy(WordTokenize(t))
	}
	v[Fluency] = 100 * sum / float64(len(texts))
	if f.references != "" {
		v[Consistency] = 100 * f.snippets.Similarity(strings.Join(texts, " "), f.references)
	}
	return nil
}

// texts are the prompts with what the model makes of them, normalised as the
// reference's generate_fast does.
func (f *fluent) texts(ctx context.Context, m lm.Model) ([]string, error) {
	if len(f.prompts) == 0 {
		return nil, nil
	}
	shortest := fluentTokens
	for _, p := range f.prompts {
		shortest = min(shortest, len(p))
	}
	made, err := m.Generate(ctx, f.prompts, fluentTokens-shortest, fluentTopK, f.seed, false)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(made))
	for i, row := range made {
		row = row[:min(len(row), fluentTokens-len(f.prompts[i]))]
		text := strings.ToValidUTF8(m.Text(slices.Concat(f.prompts[i], row)), "\ufffd")
		out[i] = strings.ReplaceAll(norm.NFKD.String(text), "\n\n", " ")
	}
	return out, nil
}

// NGramEntropy is the weighted mean of the entropies, in bits, of the bigrams
// and the trigrams of words, with weights 2/3 and 4/3 (Zhang et al. 2018, as
// the reference has it): (2/3 H2 + 4/3 H3) / 2. A text of fewer words than n
// has no entropy there.
func NGramEntropy(words []string) float64 {
	return (2./3*entropy(words, 2) + 4./3*entropy(words, 3)) / 2
}

// entropy is that of the n-grams of words.
func entropy(words []string, n int) float64 {
	counts := map[string]int{}
	total := len(words) - n + 1
	for i := range max(0, total) {
		// no word holds a space
		counts[strings.Join(words[i:i+n], " ")]++
	}
	// summed in a fixed order, so that equal texts have equal entropies
	sizes := make([]int, 0, len(counts))
	for _, c := range counts {
		sizes = append(sizes, c)
	}
	slices.Sort(sizes)
	var h float64
	for _, c := range sizes {
		p := float64(c) / float64(total)
		h -= p * math.Log2(p)
	}
	return h
}
