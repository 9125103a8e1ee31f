package corpus

import (
	"io"
	"os"
	"strings"

	"retcon/lm"
)

// chunk is the number of tokens of a text that is run alone.
const chunk = 512

// mostBytes is more than the bytes of a token in any language.
const mostBytes = 24

// read reads the beginning of the file, enough for so many tokens.
func (s *Source) read(tokens int64) (string, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostBytes*tokens+4096))
	return strings.ToValidUTF8(string(b), ""), err
}

// beginning cuts the file's beginning into chunks of tokens, want in all.
func (s *Source) beginning(want int64) ([][]int32, error) {
	text, err := s.read(want)
	if err != nil {
		return nil, err
	}
	tokens, err := s.Model.Tokenize(text, false)
	if err != nil {
		return nil, err
	}
	all := lm.IDs(lm.TextOnly(tokens))
	var out [][]int32
	for len(all) > 0 && want > 0 {
		n := min(int64(chunk), want, int64(len(all)))
		var row []int32
		if info := s.Model.Info(); info.AddsBOS && info.BOS >= 0 && n > 1 {
			row = append(row, info.BOS)
			n--
		}
		out = append(out, append(row, all[:n]...))
		all = all[n:]
		want -= n
	}
	return out, nil
}

// pieceTokens is the length of a text that is taken in pieces.
const pieceTokens = 128

// pieces reads pieces of the file, evenly spread over all of it, so that they
// speak of as many things as it does: enough for so many tokens.
func (s *Source) pieces(tokens int) ([]string, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const most = mostBytes * pieceTokens
	n := int64(tokens+pieceTokens-1) / pieceTokens
	var out []string
	for i := range n {
		at := i * st.Size() / n
		b := make([]byte, min(most, st.Size()-at, max(st.Size()/n, 1)))
		if _, err := f.ReadAt(b, at); err != nil {
			return nil, err
		}
		text := strings.ToValidUTF8(string(b), "")
		if i > 0 { // begin with a whole word
			_, text, _ = strings.Cut(text, " ")
		}
		out = append(out, text)
	}
	return out, nil
}

// spread are pieces of the file as tokens, about so many in all.
func (s *Source) spread(want int) ([][]int32, error) {
	pieces, err := s.pieces(want)
	if err != nil {
		return nil, err
	}
	var out [][]int32
	for _, p := range pieces {
		tokens, err := s.Model.Tokenize(p, false)
		if err != nil {
			return nil, err
		}
		if len(tokens) > 0 {
			out = append(out, lm.IDs(tokens[:min(len(tokens), pieceTokens)]))
		}
	}
	return out, nil
}
