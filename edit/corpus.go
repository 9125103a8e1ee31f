package edit

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"retcon/edit/corpus"
	"retcon/internal/fault"
	"retcon/lm"
)

// chunk is the number of tokens of a text that is run alone.
const chunk = 512

// readCorpus reads the beginning of a text file, enough for keys tokens of any
// language.
func readCorpus(path string, keys int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 24*keys+4096))
	return strings.ToValidUTF8(string(b), ""), err
}

// corpusTexts cuts a corpus into chunks of tokens, keys in all.
func corpusTexts(m lm.Model, path string, keys int64) ([][]int32, error) {
	text, err := readCorpus(path, keys)
	if err != nil {
		return nil, err
	}
	tokens, err := m.Tokenize(text, false)
	if err != nil {
		return nil, err
	}
	all := lm.IDs(lm.TextOnly(tokens))
	var out [][]int32
	for int64(len(all)) > 0 && keys > 0 {
		n := min(int64(chunk), keys, int64(len(all)))
		var row []int32
		if info := m.Info(); info.AddsBOS && info.BOS >= 0 && n > 1 {
			row = append(row, info.BOS)
			n--
		}
		out = append(out, append(row, all[:n]...))
		all = all[n:]
		keys -= n
	}
	return out, nil
}

// pieceTokens is the length of a text of a corpus that is taken in pieces.
const pieceTokens = 128

// spreadPieces reads pieces of a corpus, evenly spread over all of it, so that
// they speak of as many things as it does: enough for so many tokens.
func spreadPieces(path string, tokens int) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const most = 24 * pieceTokens // bytes, in any language
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

// spreadTexts are pieces of a corpus as tokens, about so many in all.
func spreadTexts(m lm.Model, path string, want int) ([][]int32, error) {
	pieces, err := spreadPieces(path, want)
	if err != nil {
		return nil, err
	}
	var out [][]int32
	for _, p := range pieces {
		tokens, err := m.Tokenize(p, false)
		if err != nil {
			return nil, err
		}
		if len(tokens) > 0 {
			out = append(out, lm.IDs(tokens[:min(len(tokens), pieceTokens)]))
		}
	}
	return out, nil
}

const (
	sampleRows   = 16
	sampleLength = 128
	sampleFirst  = 16 // tokens of the first rows, from which the time is told
	sampleTopK   = 64
)

// sample lets the model write the text, a batch of rows at a time. It says how
// long that will take after the first, and refuses, with advice, what does not
// fit StatsTime; a text of at least so many tokens is taken when time is up.
func (s *stats) sample(ctx context.Context, want, least int64) ([][]int32, error) {
	var out [][]int32
	var have int64
	start := time.Now()
	for round := 0; have < want; round++ {
		prompts := make([][]int32, sampleRows)
		for i := range prompts {
			tokens, err := s.model.Tokenize(corpus.Openers[(round*sampleRows+i)%len(corpus.Openers)], false)
			if err != nil {
				return nil, err
			}
			prompts[i] = lm.IDs(tokens)
		}
		length := sampleLength
		if round == 0 {
			length = sampleFirst
		}
		rows, err := s.model.Generate(ctx, prompts, length, sampleTopK, s.cfg.HParams.Seed+uint64(round)*7919, true)
		if err != nil {
			return nil, err
		}
		got := int64(0)
		for i, row := range rows {
			got += int64(len(prompts[i]) + len(row))
			out = append(out, append(prompts[i], row...))
		}
		have += got
		s.cfg.progress("sampling text", min(have, want), want)
		elapsed := time.Since(start)
		need := time.Duration(float64(elapsed) / float64(have) * float64(want))
		if round == 0 {
			s.cfg.info("the model writes the text for its key statistics", "tokens", want, "expected", need.Round(time.Second))
		}
		if limit := s.cfg.statsTime(); elapsed > limit && have >= least {
			s.cfg.warn("writing text for the statistics took longer than %v: %d of %d tokens are used", limit, have, want)
			break
		} else if float64(elapsed)/float64(have)*float64(least) > float64(limit) {
			return nil, fault.Errorf(ErrStats, "writing %d tokens of text for the key statistics would take about %v, more than --stats-time %v: "+
				"give a text with --corpus, raise --stats-time, or use --covariance diagonal or identity",
				want, need.Round(time.Second), limit)
		}
	}
	return out, nil
}
