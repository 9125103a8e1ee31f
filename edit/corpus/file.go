package corpus

import (
	"os"
	"strings"

	"retcon/internal/fault"
	"retcon/internal/textfile"
	"retcon/lm"
)

// chunk is the number of tokens of a text that is run alone.
const chunk = 512

// mostBytes is more than the bytes of a token in any language.
const mostBytes = 24

// read reads the beginning of the file, enough for so many tokens.
func (s *Source) read(tokens int64) (string, error) {
	return textfile.Beginning(s.Path, mostBytes*tokens+4096)
}

// checked is how much of a file Check reads, in bytes.
const checked = 1 << 16

// Check reports a file that texts cannot be taken from: it is not there, is no
// text, or has nothing in it. It reads the beginning.
func Check(path string) error {
	text, err := textfile.Beginning(path, checked)
	if err == nil && strings.TrimSpace(text) == "" {
		err = fault.Errorf(fault.ErrRequest, "%s: there is no text in it", path)
	}
	return err
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
	st, err := os.Stat(s.Path)
	if err != nil {
		return nil, err
	}
	n := int64(tokens+pieceTokens-1) / pieceTokens
	at := make([]int64, n)
	for i := range n {
		at[i] = i * st.Size() / n
	}
	out, err := textfile.Pieces(s.Path, at, min(mostBytes*pieceTokens, max(st.Size()/max(n, 1), 1)))
	if err != nil {
		return nil, err
	}
	for i := 1; i < len(out); i++ { // begin with a whole word
		_, out[i], _ = strings.Cut(out[i], " ")
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
