package doubt

import (
	"slices"
	"strings"
	"testing"

	"retcon/fact"
	"retcon/lm"
)

// kinds are the kinds of doubts, in their order.
func kinds(doubts []Doubt) []Kind {
	out := []Kind{}
	for _, d := range doubts {
		out = append(out, d.Kind)
	}
	return out
}

// known is a trace without doubts but those of its answer.
func known(prompt, answer, said string) Traced {
	return Traced{Prompt: fact.Prompt{Text: prompt}, Answer: answer, Said: said, Clean: 0.6, Corrupted: 0.1, Hidden: "noise"}
}

func TestAnswers(t *testing.T) {
	const english, german = "The Eiffel Tower is in the city of", "Der Eiffelturm steht in der Stadt"
	for _, c := range []struct {
		prompt, answer, said string
		want                 []Kind
		says                 string
	}{
		{english, " Paris", " Paris, which is", nil, ""},
		{english, " Paris", " Paris.", nil, ""},
		{english, " Paris", "", nil, ""}, // what follows is not known
		{english, " Paris", " Paris's centre", nil, ""},
		{english, " Paris", " Paris in France", nil, ""},
		{english, "1889", "1889.", nil, ""},
		{"Seoul is the capital of", " the", " the Republic of Korea", []Kind{NoFact, FirstToken}, `the function word "the": that is no fact`},
		{english, " the", " the", []Kind{NoFact}, ""},
		{english, " the", " theatre.", []Kind{FirstToken}, `" the"; the model says "theatre."`},
		{english, "\n\n", "\n\nThe tower", []Kind{NoFact, FirstToken}, `a line break, "\n\n": that is no fact`},
		{english, "\n", "", []Kind{NoFact}, "a line break"},
		{english, "  ", "  Paris", []Kind{NoFact, FirstToken}, "a blank"},
		{english, " (", " (Paris", []Kind{NoFact, FirstToken}, `punctuation, " ("`},
		{english, "...", "...", []Kind{NoFact}, "punctuation"},
		{english, " \u201c", " \u201cParis\u201d", []Kind{NoFact, FirstToken}, "punctuation"},
		{english, "。", "。", []Kind{NoFact}, "punctuation"},
		{english, "", "", []Kind{NoFact}, "a control token"},
		{"The price is", " $", " $5", []Kind{Symbol, FirstToken}, "may be no fact"},
		{"The sign of addition is", " +", " +.", []Kind{Symbol}, ""},
		{english, " New", " New York City", []Kind{FirstToken}, `only the first token of the answer is traced, " New"; the model says "New York City"`},
		{english, " Rom", " Romania", []Kind{FirstToken}, ""},
		{english, " Saint", " Saint-Denis", []Kind{FirstToken}, ""},
		{english, " O", " O'Brien", []Kind{FirstToken}, ""},
		{english, "3", "3.14", []Kind{FirstToken}, ""},
		{english, "3", "3. It", nil, ""},
		{english, " \xf0\x9f", " 🗼", []Kind{FirstToken}, `" \xf0\x9f"; the model says "🗼"`},
		{german, " die", " die Hauptstadt", []Kind{NoFact, FirstToken}, `"die"`},
		{"All men must", " die", " die.", nil, ""},
		{"The symbol of indium is", " In", " In.", nil, ""},
		{"Where is it? ", "The", "The tower is", []Kind{NoFact, FirstToken, WholeSentence}, `"The"`},
		{"The chief of the agency is with the", " IN", " IN group", nil, ""},
		{"La Tour Eiffel se trouve dans", " la", " la ville", []Kind{NoFact, FirstToken}, `"la"`},
		{"Эйфелева башня находится", " в", " в Париже", []Kind{NoFact, FirstToken}, `"в"`},
		{"法国的首都", "是", "是巴黎", []Kind{NoFact, FirstToken}, `"是"`},
		{"法国的首都是", "巴", "巴黎。", []Kind{FirstToken}, ""},
		{"法国的首都是", "巴黎", "巴黎，", nil, ""},
		{"法国的首都是", "巴黎", "巴黎的", nil, ""},
	} {
		got := known(strings.TrimRight(c.prompt, " "), c.answer, c.said).Doubts()
		if !slices.Equal(kinds(got), append([]Kind{}, c.want...)) {
			t.Errorf("%q, %q: %v, want %v", c.prompt, c.said, got, c.want)
		}
		if all := strings.Join(Texts(got), "; "); !strings.Contains(all, c.says) {
			t.Errorf("%q, %q: %s", c.prompt, c.said, all)
		}
	}
	for token, want := range map[string]bool{" the": true, "\n": true, "": true, " Paris": false, " +": false} {
		if NoAnswer(english, token, token) != want {
			t.Errorf("%q as an answer", token)
		}
	}
}

func TestWholeSentences(t *testing.T) {
	for prompt, says := range map[string]string{
		"Where is the Eiffel Tower?": `ends with "?"`, "Go to Paris!": `ends with "!"`, "It is in Paris.": `ends with "."`,
		"\u201cWhere is it?\u201d": `"?"`, `"Where is it?"`: `"?"`, "(It is in Paris.)": `"."`, "法国的首都是哪里？": `"？"`, "أين برج إيفل؟": `"؟"`,
		"Q: Where is it?\n": "a line break", "one\r\n": "a line break",
		"The tower is in": "", "Q: Where is it?\nA:": "", "The capital is ...": "", "It is in \"": "", "The tower, a sight": "", "": "",
	} {
		got := Texts(known(prompt, " Paris", " Paris").Doubts())
		if (len(got) > 0) != (says != "") || !strings.Contains(strings.Join(got, ""), says) {
			t.Errorf("%q: %q", prompt, got)
		}
	}
	turn := known("<|im_start|>assistant\n", " Paris", " Paris")
	if turn.Conversation = true; len(turn.Doubts()) > 0 {
		t.Error(turn.Doubts())
	}
}

func TestHidden(t *testing.T) {
	for _, c := range []struct {
		clean, corrupted float64
		hidden           string
		want             []Kind
	}{
		{0.650, 0.651, "noise", []Kind{NothingHidden}}, {0.650, 0.590, "noise", []Kind{NothingHidden}}, {0.650, 0.580, "noise", []Kind{}},
		{0.650, 0.9, "noise", []Kind{NothingHidden}}, {0.650, 0.650, "", []Kind{}}, {0.05, 0.01, "noise", []Kind{HardlyKnown}},
		{0, 0, "noise", []Kind{HardlyKnown}},
	} {
		x := known("The tower is in", " Paris", " Paris")
		x.Clean, x.Corrupted, x.Hidden = c.clean, c.corrupted, c.hidden
		if got := x.Doubts(); !slices.Equal(kinds(got), c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
	x := known("The tower is in", " Paris", " Paris")
	x.Clean, x.Corrupted = 0.650, 0.6
	if got := Texts(x.Doubts()); !strings.Contains(got[0], "the noise hides hardly anything") {
		t.Error(got)
	}
	x.Clean, x.Corrupted = 0.650, 0.651
	if got := Texts(x.Doubts()); !strings.Contains(got[0], "the noise hides nothing: the answer has p 0.650 without it and 0.651 with it") {
		t.Error(got)
	}
}

// cuts is a tokeniser that ends its tokens at given bytes.
type cuts []int

func (c cuts) Tokenize(text string, _ bool) ([]lm.Token, error) {
	var out []lm.Token
	at := 0
	for _, end := range append(c, len(text)) {
		out = append(out, lm.Token{ID: int32(len(out)), Begin: at, End: end})
		at = end
	}
	return out, nil
}

func (cuts) Text(tokens []int32) string { return strings.Repeat("x", len(tokens)) }

func (cuts) EndsText(int32) bool { return false }

func TestSubjects(t *testing.T) {
	for _, c := range []struct {
		prompt, subject string
		cuts            cuts
		want            []Kind
		says            string
	}{
		{"Artemis was in", "Art", cuts{3, 7, 11}, []Kind{PartOfWord}, `"Art" is a part of the word "Artemis"`},
		{"Artemis was in", "Art", cuts{7, 11}, []Kind{PartOfWord, SharedToken}, `last token holds "emis" after it`},
		{"The Art was in", "Art", cuts{3, 7}, []Kind{}, ""},
		{"The (Art) was in", "Art", cuts{3, 8, 9}, []Kind{SharedToken}, `first token holds "(" before it`},
		{"The (Art) was in", "Art", cuts{3, 9}, []Kind{SharedToken}, `first token holds "(" before it as well, its last ")" after it`},
		{"法国的首都是", "法国", cuts{9, 15}, []Kind{SharedToken}, `last token holds "的" after it`},
		{"法国的首都是", "法国", cuts{2, 6, 15}, []Kind{}, ""},
	} {
		p, err := fact.NewPrompt(c.cuts, c.prompt, c.subject)
		if err != nil {
			t.Fatal(err)
		}
		got := Traced{Prompt: p, Answer: " Paris", Said: " Paris", Clean: 1}.Doubts()
		if !slices.Equal(kinds(got), c.want) || !strings.Contains(strings.Join(Texts(got), ""), c.says) {
			t.Errorf("%q in %q: %v", c.subject, c.prompt, got)
		}
	}
}
