package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unicode"

	"retcon/fact"
	"retcon/internal/records"
)

// Snippets are reference texts about things that stand in a relation to a
// target, with the weight of each word in all of them.
type Snippets struct {
	texts map[[2]string][]string // by relation and target
	idf   map[string]float64
}

// ReadSnippets reads the file of reference texts that CounterFact comes with
// (attribute_snippets.json): an array of
// {"relation_id", "target_id", "samples": [{"text"}, ..]}.
func ReadSnippets(path string) (*Snippets, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := ParseSnippets(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// ParseSnippets reads reference texts; see ReadSnippets.
func ParseSnippets(r io.Reader) (*Snippets, error) {
	s := &Snippets{texts: map[[2]string][]string{}}
	var all []string
	err := fact.EachRecord(r, func(_ int, data json.RawMessage) error {
		key, texts, err := snippet(data)
		s.texts[key] = append(s.texts[key], texts...)
		all = append(all, texts...)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.idf = inverseFrequency(all)
	return s, nil
}

// snippet reads a record of reference texts: its relation and target, and the
// texts.
func snippet(data json.RawMessage) (key [2]string, texts []string, err error) {
	rec, err := records.Parse(data)
	if err != nil {
		return key, nil, err
	}
	for i, name := range snippetKeys[:2] {
		if key[i], err = rec.One(name); err != nil {
			return key, nil, err
		}
		if key[i] == "" {
			return key, nil, rec.Missing(snippetKeys, name)
		}
	}
	samples, err := rec.Objects("samples")
	for _, sample := range samples {
		if err == nil && !sample.Has("text") {
			err = sample.Missing(nil, "text")
		}
		var text string
		if err == nil {
			text, err = sample.One("text")
		}
		if err != nil {
			break
		}
		texts = append(texts, text)
	}
	return key, texts, err
}

// snippetKeys are the fields of a record of reference texts.
var snippetKeys = []string{"relation_id", "target_id", "samples"}

// of are the texts of a relation and a target.
func (s *Snippets) of(relation, target string) []string {
	return s.texts[[2]string{relation, target}]
}

// Similarity is the cosine of the TF-IDF vectors of two texts, as scikit-learn's
// TfidfVectorizer has them by default: words of two or more letters, digits or
// underscores in lower case, raw counts, idf = ln((1+n)/(1+df)) + 1. Words that
// are in no reference text do not count. It is 0 where a text has no words.
func (s *Snippets) Similarity(a, b string) float64 {
	x, y := s.vector(a), s.vector(b)
	var xy float64
	for _, w := range sorted(x) {
		xy += x[w] * y[w]
	}
	size := math.Sqrt(squares(x) * squares(y))
	if size == 0 {
		return 0
	}
	return xy / size
}

func (s *Snippets) vector(text string) map[string]float64 {
	v := map[string]float64{}
	for _, w := range terms(text) {
		if idf, ok := s.idf[w]; ok {
			v[w] += idf
		}
	}
	return v
}

// squares is the sum of squares, summed in a fixed order.
func squares(v map[string]float64) float64 {
	var s float64
	for _, w := range sorted(v) {
		s += v[w] * v[w]
	}
	return s
}

func sorted(v map[string]float64) []string {
	out := make([]string, 0, len(v))
	for w := range v {
		out = append(out, w)
	}
	slices.Sort(out)
	return out
}

// inverseFrequency is the smoothed idf of every word of documents.
func inverseFrequency(documents []string) map[string]float64 {
	df := map[string]int{}
	for _, d := range documents {
		words := terms(d)
		slices.Sort(words)
		for _, w := range slices.Compact(words) {
			df[w]++
		}
	}
	idf := make(map[string]float64, len(df))
	for w, n := range df {
		idf[w] = math.Log(float64(1+len(documents))/float64(1+n)) + 1
	}
	return idf
}

// terms are the words of a text as scikit-learn's pattern \b\w\w+\b finds them.
func terms(text string) []string {
	var out []string
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
	for _, w := range words {
		if r := []rune(w); len(r) > 1 {
			out = append(out, w)
		}
	}
	return out
}
