package trace

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"retcon/llama"
	"retcon/trace/result"
)

// blocks are the ranges that random texts are of: Latin with accents, combining
// marks, Greek and Cyrillic, Hebrew and Arabic, Thai, Chinese, Korean, signs, emoji
// and what joins them.
var blocks = [][2]rune{
	{0x20, 0x7e}, {0x09, 0x0d}, {0xa0, 0x17f}, {0x300, 0x36f}, {0x370, 0x4ff}, {0x590, 0x6ff}, {0xe00, 0xe5b},
	{0x2000, 0x206f}, {0x2190, 0x22ff}, {0x3000, 0x30ff}, {0x4e00, 0x9fff}, {0xac00, 0xd7a3}, {0xfe00, 0xfe0f},
	{0x1f1e6, 0x1f1ff}, {0x1f300, 0x1faff}, {0x20000, 0x2a6df}, {0xe0100, 0xe01ef}, {0x10fff0, 0x10ffff},
}

func randomText(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		block := blocks[r.IntN(len(blocks))]
		b.WriteRune(block[0] + r.Int32N(block[1]-block[0]+1))
	}
	return b.String()
}

// The bytes of a prompt's tokens are those of the tokens' pieces, and in JSON,
// joined, the prompt again, whatever characters its tokens are parts of.
func TestTokensBytes(t *testing.T) {
	m := demo(t)
	r := rand.New(rand.NewPCG(20, 13))
	parts := 0
	for range 3000 {
		subject := "x" + randomText(r, r.IntN(6)) + "x"
		p, err := NewPrompt(m, randomText(r, r.IntN(12))+" {} "+randomText(r, r.IntN(12))+".", subject)
		if err != nil {
			continue // {} or the subject by chance
		}
		parts += checkPieces(t, m, p)
	}
	if parts < 3000 {
		t.Errorf("only %d tokens were parts of a character", parts)
	}
	p, err := NewPrompt(m, "The sign 🗼 <b>&\"' stands\f\tin the city of", "🗼")
	if err != nil {
		t.Fatal(err)
	}
	if n := checkPieces(t, m, p); n != 3 || p.End-p.Begin != 3 || string(bytes.Join(p.Pieces()[p.Begin:p.End], nil)) != " 🗼" {
		t.Errorf("%d parts, the subject's are %q", n, p.Pieces()[p.Begin:p.End])
	}
}

// checkPieces counts the tokens that are no text by themselves.
func checkPieces(t *testing.T, m *llama.Model, p Prompt) (parts int) {
	t.Helper()
	data, err := json.Marshal(result.Trace{Prompt: p.Text, TokensBytes: p.Pieces()})
	if err != nil {
		t.Fatal(err)
	}
	var back result.Trace
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if joined := bytes.Join(back.TokensBytes, nil); string(joined) != p.Text || back.Prompt != p.Text || len(back.TokensBytes) != len(p.Tokens) {
		t.Errorf("%q comes back as %q in %d of %d tokens", p.Text, joined, len(back.TokensBytes), len(p.Tokens))
	}
	for i, id := range p.Tokens {
		piece := m.Piece(id, true)
		if i < len(back.TokensBytes) && string(back.TokensBytes[i]) != piece {
			t.Errorf("token %d of %q is %q, its bytes %q", i, p.Text, piece, back.TokensBytes[i])
		}
		if strings.ToValidUTF8(piece, "") != piece {
			parts++
		}
	}
	return parts
}
