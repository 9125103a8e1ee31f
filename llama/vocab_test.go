package llama_test

import (
	"errors"
	"strings"
	"testing"

	"retcon/llama"
)

var texts = []string{
	"",
	"a",
	" ",
	"\n\n",
	"The Eiffel Tower is located in the city of",
	" leading space",
	"   three leading spaces",
	"trailing spaces   ",
	"Zürich, naïve café, œuvre",
	"日本語のテキスト",
	"Ελληνικά и русский",
	"🦊🏳️‍🌈👨‍👩‍👧‍👦 emoji",
	"mixed 日本 and 🦊.",
	"tabs\tand\r\nlines",
	"nul \x00 byte",
	"combining e\u0301 and \u200b zero width",
	"<|im_start|>user\nHello<|im_end|>",
	"<|endoftext|>",
	strings.Repeat("long ", 500),
	"0123456789 1234567 3.14159",
}

// The spans of tokens are contiguous, cover the text, and spell it.
func TestTokenSpans(t *testing.T) {
	m := loadDemo(t)
	for _, text := range texts {
		for _, special := range []bool{false, true} {
			tokens, err := m.Tokenize(text, special)
			if err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			at := 0
			for i, tok := range tokens {
				if tok.Begin != at || tok.End < tok.Begin || tok.End > len(text) {
					t.Fatalf("%q: token %d is [%d, %d) behind byte %d", text, i, tok.Begin, tok.End, at)
				}
				if piece := m.Piece(tok.ID, true); piece != text[tok.Begin:tok.End] {
					t.Errorf("%q: token %d is %q over %q", text, i, piece, text[tok.Begin:tok.End])
				}
				at = tok.End
			}
			if at != len(text) {
				t.Errorf("%q: the tokens end at byte %d", text, at)
			}
		}
	}
}

// Runes that the vocabulary lacks are split over byte tokens, none of them empty.
func TestByteTokens(t *testing.T) {
	m := loadDemo(t)
	const text = "🦊"
	tokens, err := m.Tokenize(text, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(tokens) < 2 {
		t.Skipf("%q is one token", text)
	}
	for _, tok := range tokens {
		if tok.Begin == tok.End {
			t.Errorf("token %d is empty", tok.ID)
		}
	}
	ids := make([]int32, len(tokens))
	for i, tok := range tokens {
		ids[i] = tok.ID
	}
	if got := m.Text(ids); got != text {
		t.Errorf("the tokens of %q spell %q", text, got)
	}
}

// Control tokens can be written only where asked for.
func TestControlTokens(t *testing.T) {
	m := loadDemo(t)
	const text = "<|im_start|>user"
	with, err := m.Tokenize(text, true)
	if err != nil {
		t.Fatal(err)
	}
	without, err := m.Tokenize(text, false)
	if err != nil {
		t.Fatal(err)
	}
	if with[0].End != len("<|im_start|>") || len(without) <= len(with) {
		t.Errorf("%d tokens with control tokens, %d without", len(with), len(without))
	}
	if p := m.Piece(with[0].ID, false); p != "" {
		t.Errorf("a control token is text: %q", p)
	}
	if got := m.Text([]int32{with[0].ID, with[1].ID}); got != "user" {
		t.Errorf("the text is %q", got)
	}
	end, err := m.Tokenize("<|im_end|>", true)
	if err != nil {
		t.Fatal(err)
	}
	if !m.EndsText(end[0].ID) || m.EndsText(with[1].ID) {
		t.Error("<|im_end|> does not end a text, or a word does")
	}
}

// Text that is no UTF-8 is tokenised or refused; spans never leave the text.
func TestInvalidText(t *testing.T) {
	m := loadDemo(t)
	for _, text := range []string{"\xff", "a\xc3", "\xf0\x9f\xa6", "caf\xe9 au lait", "\x80\x80\x80"} {
		tokens, err := m.Tokenize(text, false)
		if err != nil {
			if !errors.Is(err, llama.ErrUnsupported) && !errors.Is(err, llama.ErrInvalid) {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		at := 0
		for _, tok := range tokens {
			if tok.Begin < at || tok.End < tok.Begin || tok.End > len(text) {
				t.Errorf("%q: [%d, %d) behind %d", text, tok.Begin, tok.End, at)
			}
			at = tok.End
		}
	}
}

func TestOddTokens(t *testing.T) {
	m := loadDemo(t)
	for _, id := range []int32{-1, int32(m.Info().Vocab), 1 << 30, -1 << 31} {
		if m.Piece(id, true) != "" || m.EndsText(id) {
			t.Errorf("token %d has a text", id)
		}
	}
	for id := range int32(m.Info().Vocab) {
		if len(m.Piece(id, true)) > 1000 {
			t.Errorf("token %d is long", id)
		}
	}
}

// llama.cpp asserts where a model without a vocabulary is asked for text.
func TestNoVocabulary(t *testing.T) {
	m := loadTiny(t)
	if _, err := m.Tokenize("text", false); !errors.Is(err, llama.ErrUnsupported) {
		t.Errorf("tokenising: %v", err)
	}
	if m.Piece(1, true) != "" || m.Text([]int32{1, 2}) != "" || m.EndsText(1) {
		t.Error("a token of no vocabulary has a text")
	}
}

// BenchmarkTokenize splits prose of 8 kB and finds each token's bytes.
func BenchmarkTokenize(b *testing.B) {
	m := loadDemo(b)
	text := strings.Repeat("The old lighthouse-keeper hadn't slept; 1,024 waves broke over the café's roof. ", 100)
	b.SetBytes(int64(len(text)))
	tokens := 0
	for b.Loop() {
		t, err := m.Tokenize(text, false)
		if err != nil {
			b.Fatal(err)
		}
		tokens += len(t)
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}
