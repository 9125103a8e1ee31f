package eval

import (
	"context"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"retcon/fact"
	"retcon/lm"
)

// fakeModel reads words and predicts from the last two of them, by numbers that
// a hash makes of them; shift is what an edit adds to the logits of one word.
// What scoring does not need is missing and panics.
type fakeModel struct {
	lm.Model
	ids   map[string]int32
	words []string
	bos   bool
	shift map[string]float64
}

const fakeVocab = 400

func newFake() *fakeModel {
	return &fakeModel{ids: map[string]int32{}, words: []string{""}, shift: map[string]float64{}}
}

func (f *fakeModel) Info() lm.Info {
	return lm.Info{Vocab: fakeVocab, Context: 64, AddsBOS: f.bos, BOS: 0}
}

var fakeWord = regexp.MustCompile(` ?[\pL\pN]+|.`)

func (f *fakeModel) Tokenize(text string, _ bool) ([]lm.Token, error) {
	var out []lm.Token
	if f.bos {
		out = append(out, lm.Token{})
	}
	for _, at := range fakeWord.FindAllStringIndex(text, -1) {
		out = append(out, lm.Token{ID: f.id(text[at[0]:at[1]]), Begin: at[0], End: at[1]})
	}
	return out, nil
}

func (f *fakeModel) id(word string) int32 {
	id, ok := f.ids[word]
	if !ok {
		id = int32(len(f.words))
		f.ids[word], f.words = id, append(f.words, word)
	}
	return id
}

func (f *fakeModel) Text(tokens []int32) string {
	var b strings.Builder
	for _, t := range tokens {
		if int(t) < len(f.words) {
			b.WriteString(f.words[t])
		} else {
			b.WriteString(" w")
		}
	}
	return b.String()
}

// logits are those after a row.
func (f *fakeModel) logits(row []int32) []float32 {
	last, before := row[len(row)-1], int32(-1)
	if len(row) > 1 {
		before = row[len(row)-2]
	}
	rng := rand.New(rand.NewPCG(uint64(last+7), uint64(before+3)))
	out := make([]float32, fakeVocab)
	for i := range out {
		out[i] = float32(2 * rng.NormFloat64())
	}
	for word, by := range f.shift {
		out[f.id(word)] += float32(by)
	}
	return out
}

func (f *fakeModel) Logits(_ context.Context, tokens []int32, fn func(int, []float32) error) error {
	for i := range tokens {
		if err := fn(i, f.logits(tokens[:i+1])); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeModel) Predict(_ context.Context, rows []lm.Scored) ([][]lm.Prediction, error) {
	out := make([][]lm.Prediction, len(rows))
	for i, r := range rows {
		for pos := r.From; pos < len(r.Tokens); pos++ {
			l := f.logits(r.Tokens[:pos])
			sum, top := 0., l[0]
			for _, v := range l {
				sum += math.Exp(float64(v))
				top = max(top, v)
			}
			v := l[r.Tokens[pos]]
			out[i] = append(out[i], lm.Prediction{LogProb: float64(v) - math.Log(sum), First: v == top})
		}
	}
	return out, nil
}

func (f *fakeModel) Generate(_ context.Context, prompts [][]int32, n, topK int, seed uint64, _ bool) ([][]int32, error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([][]int32, len(prompts))
	for i, p := range prompts {
		row := append([]int32(nil), p...)
		for range n {
			l := f.logits(row)
			best := 0
			for k, v := range l {
				if v > l[best] {
					best = k
				}
			}
			if topK > 1 && rng.IntN(2) == 0 {
				best = rng.IntN(len(f.words))
			}
			row = append(row, int32(best))
			out[i] = append(out[i], int32(best))
		}
	}
	return out, nil
}

// capital is a CounterFact record of few prompts.
func capital() fact.Record {
	return fact.Record{Index: 3, Case: 17, Request: fact.Request{
		Prompt: "{} is in", Subject: "Eiffel", TargetNew: "old Rome", TargetTrue: "Paris",
		Paraphrases: []string{"So Eiffel lies in", "Where is Eiffel: in"},
		Neighbours:  []string{"Louvre is in", "Orsay is in", "Seine is in"},
	}, Generation: []string{"Eiffel is near", "People go to Eiffel in"}}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// Chat writes words for what templates have control tokens for.
func (f *fakeModel) Chat(messages []lm.Message, assistant bool) (lm.Text, error) {
	var text lm.Text
	for _, m := range messages {
		text = append(text, lm.Part{Text: "<" + m.Role + ">", Control: true}, lm.Part{Text: m.Text})
	}
	if assistant {
		text = append(text, lm.Part{Text: "<assistant>", Control: true})
	}
	return text, nil
}
