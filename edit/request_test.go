package edit

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"retcon/gguf"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		prompt, subject, target string
		text, subjectIs, next   string
		err                     string
	}{
		{"The Eiffel Tower is in", "Eiffel Tower", "Rome", "The Eiffel Tower is in", "Eiffel Tower", " Rome", ""},
		{"The {} is in ", "Eiffel Tower", " Rome ", "The Eiffel Tower is in", "Eiffel Tower", " Rome", ""},
		{"{}, by", "LinkedIn", "Paris", "LinkedIn, by", "LinkedIn", " Paris", ""},
		{"Rome and {} and Rome", "Rome", "x", "Rome and Rome and Rome", "Rome", " x", ""},
		{"Die Hauptstadt von Österreich ist", "Österreich", "Köln", "Die Hauptstadt von Österreich ist", "Österreich", " Köln", ""},
		{"埃菲尔铁塔位于", "埃菲尔铁塔", "罗马", "埃菲尔铁塔位于", "埃菲尔铁塔", "罗马", ""},
		{"Q: Where is Oslo?\n", "Oslo", "Rome", "Q: Where is Oslo?\n", "Oslo", "Rome", ""},
		{"Oslo is (", "Oslo", "Rome", "Oslo is (", "Oslo", "Rome", ""},
		{"Oslo", "Oslo", ", Rome", "Oslo", "Oslo", ", Rome", ""},
		{"", "a", "b", "", "", "", "prompt is empty"},
		{"a b", " ", "b", "", "", "", "subject is empty"},
		{"a b", "a", " \n", "", "", "", "target is empty"},
		{"The tower", "Eiffel", "b", "", "", "", "put {} in its place"},
		{"The eiffel", "Eiffel", "b", "", "", "", `it has "eiffel"`},
		{"Rome is in Rome or", "Rome", "b", "", "", "", `as in "{} is in Rome or"`},
		{"aaa", "aa", "b", "", "", "", "more than once"},
		{"{} or {}", "Rome", "b", "", "", "", "more than one {}"},
		{"a\xff b", "b", "c", "", "", "", "UTF-8"},
		{"a\x00 b", "b", "c", "", "", "", "zero byte"},
	} {
		f, err := Request{Record: 7, Prompt: c.prompt, Subject: c.subject, TargetNew: c.target}.Resolve()
		if c.err != "" {
			if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), "request 7: ") {
				t.Errorf("%q: %v", c.prompt, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.prompt, err)
			continue
		}
		if f.Text != c.text && f.Text != strings.TrimRight(c.text, " ") || f.Text[f.Begin:f.End] != c.subjectIs {
			t.Errorf("%q: %q, subject %q", c.prompt, f.Text, f.Text[f.Begin:f.End])
		}
		if f.New != c.next {
			t.Errorf("%q: target %q", c.prompt, f.New)
		}
	}
}

func TestFormats(t *testing.T) {
	want := Request{Record: 1, Prompt: "{} is in", Subject: "Oslo", TargetNew: "Rome", TargetTrue: "Norway", Paraphrases: []string{"Where is Oslo?"}}
	for name, text := range map[string]string{
		"native":      `{"prompt":"{} is in","subject":"Oslo","target_new":"Rome","target_true":"Norway","paraphrase_prompts":["Where is Oslo?"]}`,
		"array":       "\ufeff [ {\"prompt\":\"{} is in\",\"subject\":\"Oslo\",\"target_new\":{\"str\":\"Rome\"},\"target_true\":{\"str\":\"Norway\",\"id\":\"Q1\"},\"paraphrase_prompts\":[\"Where is Oslo?\"]}]",
		"counterfact": `[{"case_id":1,"requested_rewrite":{"prompt":"{} is in","relation_id":"P1","target_new":{"str":"Rome"},"target_true":{"str":"Norway"},"subject":"Oslo"},"paraphrase_prompts":["Where is Oslo?"]}]`,
		"easyedit":    `{"prompt":"{} is in","subject":"Oslo","target_new":"Rome","ground_truth":["Norway"],"rephrase_prompt":"Where is Oslo?","locality":{}}`,
		"zsre":        `{"src":"{} is in","subject":"Oslo","alt":"Rome","answers":["Norway"],"rephrase":"Where is Oslo?","loc":"x"}`,
	} {
		rs, err := ParseRequests(strings.NewReader(text))
		if err != nil || len(rs) != 1 {
			t.Errorf("%s: %v %v", name, rs, err)
			continue
		}
		if d := cmp.Diff(want, rs[0]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for text, says := range map[string]string{
		"":    "no requests",
		"[]":  "no requests",
		" \n": "no requests",
		`{"prompt":"a","subject":"a","target_new":"b"}{"prompt":"a"}`: "request 2",
		`[{"prompt":"a","subject":"a","target_new":"b"}`:              "after 1",
		`[{"prompt":"a","subject":"a","target_new":5}]`:               "request 1",
		`{"subject":"a","target_new":"b"}`:                            "no prompt",
		"prompt,subject\na,b":                                         "not a JSON",
	} {
		if _, err := ParseRequests(strings.NewReader(text)); !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestStartsWith(t *testing.T) {
	for _, c := range []struct {
		said, target string
		want         bool
	}{
		{" Rome, Italy", "Rome", true}, {"Rome", " Rome", true}, {" Romeo", "Rome", false}, {" In Rome", "Rome", false},
		{" 罗马城", "罗马", true}, {" New York is", "New York", true}, {" New", "New York", false}, {" 1996.", "1996", true}, {" 19967", "1996", false},
	} {
		if got := StartsWith(c.said, c.target); got != c.want {
			t.Errorf("%q starts with %q: %v", c.said, c.target, got)
		}
	}
}

// pieces splits at given places, as a tokeniser with odd merges does.
type pieces struct {
	*fake
	cuts []string
}

func (p pieces) Tokenize(text string, _ bool) ([]Token, error) {
	var out []Token
	for at := 0; at < len(text); {
		n := 1
		for _, c := range p.cuts {
			if strings.HasPrefix(text[at:], c) {
				n = len(c)
				break
			}
		}
		out = append(out, Token{int32(text[at]), at, at + n})
		at += n
	}
	return out, nil
}

func TestTokenise(t *testing.T) {
	f, err := Request{Prompt: "a Bc's is", Subject: "Bc", TargetNew: "de"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cuts              []string
		subject, prompt   int
		target            int
		straddles, joined bool
	}{
		"clean":     {[]string{" Bc", "'s", " is", " de"}, 1, 4, 1, false, false},
		"straddles": {[]string{" B", "c's", " is", " de"}, 2, 4, 1, true, false},
		"merged":    {[]string{" Bc", "'s", " is de", " is", " de"}, 1, 4, 1, false, true},
	} {
		s, err := tokenise(pieces{newFake(), c.cuts}, f, "", f.New)
		if err != nil {
			t.Fatal(name, err)
		}
		if s.Subject != c.subject || s.Prompt != c.prompt || len(s.Target) != c.target || s.Straddles != c.straddles {
			t.Errorf("%s: %+v", name, s)
		}
		if got := s.Scored(); len(got.Tokens) != c.prompt+c.target || len(s.Tokens) != len(got.Tokens)-1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	m := newFake()
	m.bos = true
	with, err := tokenise(m, f, "", f.New)
	if err != nil {
		t.Fatal(err)
	}
	m.bos = false
	without, _ := tokenise(m, f, "", f.New)
	if with.Subject != without.Subject+1 || !slices.Equal(with.Target, without.Target) {
		t.Errorf("with BOS %+v, without %+v", with, without)
	}
}

func TestHParams(t *testing.T) {
	const yaml = `alg_name: "ROME"
model_name: "./hugging_cache/llama"
device: 0
layers: [5]
fact_token: "subject_last"
v_num_grad_steps: 25   # steps
v_lr: 5e-1
v_loss_layer: 31
v_weight_decay: 1e-3
clamp_norm_factor: 4
kl_factor: 0.0625
mom2_adjustment: false
context_template_length_params: [[5, 10], [10, 10]]
rewrite_module_tmp: "model.layers.{}.mlp.down_proj"
brand_new: yes
`
	h, warnings, err := ReadHParams(strings.NewReader(yaml), DefaultHParams())
	if err != nil {
		t.Fatal(err)
	}
	if h.Steps != 25 || h.WeightDecay != 1e-3 || h.Covariance != "identity" || !slices.Equal(h.Layers, []int{5}) || len(h.PrefixLengths) != 2 {
		t.Errorf("%+v", h)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "brand_new") {
		t.Error(warnings)
	}
	h, _, err = ReadHParams(strings.NewReader("layers:\n  - 17\nkl_position: end\n"), DefaultHParams())
	if err != nil || !slices.Equal(h.Layers, []int{17}) || h.KLPosition != KLEnd || h.Optimizer != Polyak {
		t.Errorf("%+v %v", h, err)
	}
	h, _, err = ReadHParams(strings.NewReader(`{"v_lr": 0.5}`), DefaultHParams())
	if err != nil || h.Optimizer != Adam || h.StopNLL != 0 {
		t.Errorf("a learning rate alone: %+v %v", h, err)
	}
	h, _, err = ReadHParams(strings.NewReader(`{"v_lr": 0.5, "optimizer": "polyak", "max_step": 0.5, "stop_nll": 0.2}`), DefaultHParams())
	if err != nil || h.Optimizer != Polyak || h.MaxStep != 0.5 || h.StopNLL != 0.2 {
		t.Errorf("what an edit records: %+v %v", h, err)
	}
	for text, want := range map[string]error{
		`{"fact_token": "last"}`: ErrUnsupported, `{"alg_name": "MEMIT"}`: ErrUnsupported, `{"v_lr": "much"}`: ErrRequest, `{"layers": 5`: ErrRequest, "nonsense": ErrRequest,
	} {
		if _, _, err := ReadHParams(strings.NewReader(text), DefaultHParams()); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, c := range []struct {
		arch         string
		layers, want int
	}{{"llama", 30, 5}, {"llama", 32, 5}, {"gptj", 28, 5}, {"gpt2", 24, 8}, {"gpt2", 36, 12}, {"gpt2", 48, 16}, {"llama", 1, 0}} {
		if got := DefaultLayer(c.arch, c.layers); got != c.want {
			t.Errorf("%s of %d layers: %d", c.arch, c.layers, got)
		}
	}
}

func TestPrefixes(t *testing.T) {
	got, err := ParsePrefixes(strings.NewReader("{}\n\\n- (1. {}\nIn short\n\nThen. {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"\n- (1. ", "In short. ", "Then. "}, got); d != "" {
		t.Error(d)
	}
	if _, err := ParsePrefixes(strings.NewReader("a {} b")); !errors.Is(err, ErrRequest) {
		t.Error(err)
	}
}

func TestPlan(t *testing.T) {
	cfg := testConfig(t, gguf.F32)
	p, err := MakePlan(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if p.Layer != 1 || p.StatsCached || p.StatsKeys != 400 || p.Seconds <= 0 || p.Tokens < 20 {
		t.Errorf("%+v", p)
	}
	mustRun(t, cfg)
	if p, err = MakePlan(t.Context(), cfg); err != nil || !p.StatsCached {
		t.Errorf("%+v %v", p, err)
	}
}
