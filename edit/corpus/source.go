package corpus

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"retcon/edit/voice"
	"retcon/internal/fault"
	"retcon/lm"
)

// Source is where natural text comes from.
type Source struct {
	Model lm.Model
	// Path is a text file; empty: the model writes the text, seeded by Seed, in
	// at most Time (0: [DefaultTime]).
	Path  string
	Seed  uint64
	Time  time.Duration
	Voice *voice.Voice
}

// DefaultTime is the longest that a model may write text.
const DefaultTime = 10 * time.Minute

// Name says where the text comes from: "corpus" or "sampled".
func (s *Source) Name() string {
	if s.Path != "" {
		return "corpus"
	}
	return "sampled"
}

// Texts are the beginning of the file in rows of tokens, want tokens in all or
// as many as it has; or what the model writes, at least so many tokens. Errors
// wrap fault.ErrStats where there is no time to write them.
func (s *Source) Texts(ctx context.Context, want, least int64) ([][]int32, error) {
	if s.Path == "" {
		return s.sample(ctx, want, least)
	}
	return s.beginning(want)
}

// Spread are pieces from all over the file, about want tokens; or what the model
// writes, as Texts has it.
func (s *Source) Spread(ctx context.Context, want, least int64) ([][]int32, error) {
	if s.Path == "" {
		return s.sample(ctx, want, least)
	}
	return s.spread(int(want))
}

// Key identifies the text that Texts gives for want tokens: by what the file
// says, or by the seed.
func (s *Source) Key(want int64) (string, error) {
	if s.Path == "" {
		return s.sampledKey(), nil
	}
	text, err := s.read(want)
	return fmt.Sprintf("%x %d", sha256.Sum256([]byte(text)), want), err
}

// SpreadKey identifies the text that Spread gives for want tokens.
func (s *Source) SpreadKey(want int64) (string, error) {
	if s.Path == "" {
		return s.sampledKey(), nil
	}
	pieces, err := s.pieces(int(want))
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(pieces, "\x00")))), err
}

func (s *Source) sampledKey() string { return fmt.Sprintf("sampled seed %d", s.Seed) }

func (s *Source) time() time.Duration {
	if s.Time > 0 {
		return s.Time
	}
	return DefaultTime
}

const (
	sampleRows   = 16
	sampleLength = 128
	sampleFirst  = 16 // tokens of the first rows, from which the time is told
	sampleTopK   = 64
)

// sample lets the model write the text, a batch of rows at a time. It says how
// long that will take after the first, and refuses, with advice, what does not
// fit the time; a text of at least so many tokens is taken when time is up.
func (s *Source) sample(ctx context.Context, want, least int64) ([][]int32, error) {
	var out [][]int32
	var have int64
	start := time.Now()
	for round := 0; have < want; round++ {
		rows, err := s.write(ctx, round)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			have += int64(len(row))
		}
		out = append(out, rows...)
		s.Voice.Report("sampling text", min(have, want), want)
		elapsed := time.Since(start)
		need := time.Duration(float64(elapsed) / float64(have) * float64(want))
		if round == 0 {
			s.Voice.Info("the model writes the text for its key statistics", "tokens", want, "expected", need.Round(time.Second))
		}
		if limit := s.time(); elapsed > limit && have >= least {
			s.Voice.Warn("writing text for the statistics took longer than %v: %d of %d tokens are used", limit, have, want)
			break
		} else if float64(elapsed)/float64(have)*float64(least) > float64(limit) {
			err := fault.Errorf(fault.ErrStats, "writing %d tokens of text for the key statistics would take about %v, more than %v", want, need.Round(time.Second), limit)
			return nil, fault.Advise(err, fault.GiveText, fault.MoreTime, fault.Diagonal, fault.Identity)
		}
	}
	return out, nil
}

// write lets the model write the rows of a round.
func (s *Source) write(ctx context.Context, round int) ([][]int32, error) {
	rows := make([][]int32, sampleRows)
	for i := range rows {
		tokens, err := s.Model.Tokenize(Openers[(round*sampleRows+i)%len(Openers)], false)
		if err != nil {
			return nil, err
		}
		rows[i] = lm.IDs(tokens)
	}
	length := sampleLength
	if round == 0 {
		length = sampleFirst
	}
	more, err := s.Model.Generate(ctx, rows, length, sampleTopK, s.Seed+uint64(round)*7919, true)
	for i := range more {
		rows[i] = append(rows[i], more[i]...)
	}
	return rows, err
}
