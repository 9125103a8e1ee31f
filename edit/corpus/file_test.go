package corpus_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"retcon/edit/corpus"
	"retcon/internal/fakemodel"
	"retcon/lm"
)

// A text gives the same rows and the same key whichever encoding it is in, also
// where it is taken in pieces from all over the file.
func TestEncodings(t *testing.T) {
	text := strings.Repeat("The tower is in Paris , the city of Größe .\n", 400)
	windows := strings.ReplaceAll(text, "\n", "\r\n")
	var le []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + windows)) {
		le = append(le, byte(u), byte(u>>8))
	}
	path := filepath.Join(t.TempDir(), "c.txt")
	s := &corpus.Source{Model: fakemodel.New(), Path: path}
	ctx := context.Background()
	tokens, _ := s.Model.Tokenize(text, false)
	all := lm.IDs(tokens)
	var first [][]int32
	var key string
	for _, raw := range []string{text, windows, "\ufeff" + text, string(le)} {
		os.WriteFile(path, []byte(raw), 0o666)
		rows, err := s.Texts(ctx, 900, 0)
		if err != nil {
			t.Fatal(err)
		}
		k, err := s.Key(900)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first, key = rows, k
		}
		if !slices.EqualFunc(rows, first, slices.Equal[[]int32]) || k != key {
			t.Errorf("%.10q: other rows, or another key", raw)
		}
		pieces, err := s.Spread(ctx, 900, 0)
		if err != nil || len(pieces) != 8 {
			t.Fatalf("%.10q: %d pieces, %v", raw, len(pieces), err)
		}
		for _, p := range pieces {
			if said := s.Model.Text(p); len(p) < 100 || !strings.Contains(s.Model.Text(all), said) {
				t.Errorf("%.10q: a piece %.40q of %d tokens", raw, said, len(p))
			}
		}
	}
	for _, raw := range []string{strings.Repeat("x\x00y\x00", 100), text[:100] + "\xff" + text} {
		os.WriteFile(path, []byte(raw), 0o666)
		_, begun := s.Texts(ctx, 900, 0)
		_, some := s.Spread(ctx, 900, 0)
		for _, err := range []error{begun, some} {
			if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), "at byte ") {
				t.Errorf("%.10q: %v", raw, err)
			}
		}
	}
}
