package eval

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"retcon/fact"
)

// Stage is a part of the scoring that is asked for, and timed, by itself.
type Stage string

// The stages, in the order in which they run.
const (
	Likelihood Stage = "likelihood" // teacher-forced: ES, PS, NS and what goes with them
	Match      Stage = "match"      // free-running exact match
	Fluent     Stage = "fluency"    // generated texts: GE, RS
	Chat       Stage = "chat"       // in conversations, by the model's chat template
	OnText     Stage = "text"       // perplexity, KL, unchanged top-1 tokens
)

// Stages are all stages.
var Stages = []Stage{Likelihood, Match, Fluent, Chat, OnText}

// ParseStages reads a list of stages; "all" is all that every model has, which
// leaves out Chat.
func ParseStages(names []string) ([]Stage, error) {
	var out []Stage
	for _, s := range Stages {
		if slices.Contains(names, string(s)) || s != Chat && slices.Contains(names, "all") {
			out = append(out, s)
		}
	}
	for _, n := range names {
		if n != "all" && !slices.Contains(Stages, Stage(n)) {
			return nil, fmt.Errorf("%w: no metrics %q: there are likelihood, match, fluency, chat, text and all", fact.ErrRequest, n)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no metrics", fact.ErrRequest)
	}
	return out, nil
}

// Scorer scores a model, as it is applied at the time, on records.
type Scorer struct {
	Model  Model
	Stages []Stage
	// Seed is that of generated texts. A record's texts depend on it and on
	// the record's Index only.
	Seed uint64
	// Snippets are reference texts; nil: no consistency.
	Snippets *Snippets
	// Text is what the stage OnText compares on.
	Text *Text
	// Constant says that the model stays the same from record to record: the
	// text is then run once.
	Constant bool

	onText Values // of the text, once run on a constant model
}

// Result is what scoring a record gave.
type Result struct {
	Values     Values `json:"values"`
	NLL        *NLL   `json:"nll,omitempty"`
	Completion string `json:"completion,omitempty"` // greedy, of the prompt
	ChatAnswer string `json:"chat_answer,omitempty"`
	// Top1 is the likeliest token after each prompt of another subject.
	Top1    []int32           `json:"neighbourhood_top1,omitempty"`
	Seconds map[Stage]float64 `json:"seconds"`
}

// Job is a record made ready to be scored: its prompts as tokens. It can be
// scored again and again.
type Job struct {
	s      *Scorer
	rec    *fact.Record
	scored *likelihood
	match  *match
	fluent *fluent
	chat   *chat
}

// settle is a record whose prompts the model, as it is applied now, was asked how
// targets follow them, where their texts leave that open.
// The entry, if not nil, is told what was read of it.
func (s *Scorer) settle(ctx context.Context, rec *fact.Record, e *Entry) (*fact.Record, error) {
	own := *rec // a record may be scored on several models
	q := &own.Request
	err := q.Settle(ctx, s.Model, slices.Concat(rec.Locality, rec.Portability)...)
	if err != nil || e == nil {
		return &own, err
	}
	e.Join = q.Join
	f, err := q.Resolve()
	if err != nil {
		return &own, err
	}
	e.ControlTokens, err = f.ControlTokens(s.Model, slices.Concat([]string{f.Text, f.New, f.Old}, q.Paraphrases, q.Neighbours)...)
	return &own, err
}

// Job makes a record ready.
func (s *Scorer) Job(rec *fact.Record) (*Job, error) {
	known, err := rec.Request.Resolve()
	if err != nil {
		return nil, err
	}
	j := &Job{s: s, rec: rec}
	for _, stage := range s.Stages {
		switch stage {
		case Likelihood:
			j.scored, err = newLikelihood(s.Model, rec, known)
		case Match:
			j.match, err = newMatch(s.Model, rec, known)
		case Fluent:
			j.fluent, err = newFluent(s.Model, rec, s.Snippets, s.Seed)
		case Chat:
			j.chat, err = newChat(s.Model, rec, known)
		}
		if err != nil {
			return nil, &fact.RecordError{Record: rec.Index + 1, Err: err}
		}
	}
	return j, nil
}

// On is the job for another model with the same vocabulary.
func (j *Job) On(m Model) *Job {
	s, other := *j.s, *j
	s.Model, other.s = m, &s
	return &other
}

// Score runs the stages on the model as it is applied now. base is set for the
// unedited model, which the stage OnText has been run on already.
func (j *Job) Score(ctx context.Context, base bool) (Result, error) {
	r := Result{Values: Values{}, Seconds: map[Stage]float64{}}
	for _, stage := range j.s.Stages {
		start := time.Now()
		var err error
		switch {
		case stage == Likelihood:
			r.NLL, err = j.scored.run(ctx, j.s.Model, r.Values)
		case stage == Match:
			r.Completion, err = j.match.run(ctx, j.s.Model, r.Values)
			r.Completion = strings.ToValidUTF8(r.Completion, "\ufffd")
			if err == nil {
				r.Top1, err = j.match.top1(ctx, j.s.Model)
			}
		case stage == Fluent:
			err = j.fluent.run(ctx, j.s.Model, r.Values)
		case stage == Chat:
			r.ChatAnswer, err = j.chat.run(ctx, j.s.Model, r.Values)
			r.ChatAnswer = strings.ToValidUTF8(strings.TrimSpace(r.ChatAnswer), "\ufffd")
		case stage == OnText && base:
			r.Values[Perplexity] = j.s.Text.Perplexity()
		case stage == OnText:
			err = j.s.compareText(ctx, r.Values)
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", stage, err)
		}
		r.Seconds[stage] = time.Since(start).Seconds()
	}
	return r, nil
}

func (s *Scorer) compareText(ctx context.Context, v Values) error {
	made := s.onText
	if made == nil {
		made = Values{}
		if err := s.Text.Compare(ctx, s.Model, made); err != nil {
			return err
		}
		if s.Constant {
			s.onText = made
		}
	}
	maps.Copy(v, made)
	return nil
}
