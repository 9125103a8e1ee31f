package edit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/jsonl"
)

// KeptError is the error of a run whose finished requests are kept: a run with
// the same output and Config.Resume goes on after them.
type KeptError struct {
	Err      error
	Path     string // of the journal
	Done, Of int    // requests
}

// Error names the journal.
func (e *KeptError) Error() string { return fmt.Sprintf("%v; %s", e.Err, e.Kept()) }

// Kept says what is kept, and where.
func (e *KeptError) Kept() string {
	return fmt.Sprintf("%d of %d requests are done and kept in %s, %s goes on after them", e.Done, e.Of, e.Path, fault.Resume)
}

// Unwrap is what ended the run.
func (e *KeptError) Unwrap() error { return e.Err }

// part is a finished request in the journal.
type part struct {
	Request string    `json:"request"` // digest
	Error   string    `json:"error,omitempty"`
	Alone   Outcome   `json:"alone"`
	Old     float64   `json:"old,omitempty"` // of that outcome
	Edit    *Computed `json:"edit,omitempty"`
}

// journalPath is where requests are kept while a run of several is under way.
func (c *Config) journalPath() string {
	if len(c.Requests) < 2 && !c.Resume {
		return ""
	}
	return JournalOf(c.Output, c.LoRA)
}

// JournalOf is where a run of several requests with these outputs keeps the ones
// that are done until all are; empty where it writes nothing.
func JournalOf(output, lora string) string {
	if out := cmp.Or(output, lora); out != "" {
		return out + ".edits"
	}
	return ""
}

// checkJournal reports, before anything is loaded, a journal that would be
// lost.
func (c *Config) checkJournal() error {
	path := c.journalPath()
	if path == "" || c.Resume || c.Force {
		return nil
	}
	err := jsonl.CheckJournal(path)
	if errors.Is(err, jsonl.ErrKept) {
		err = fault.Errorf(fact.ErrRequest, "%w; %s goes on with it, %s begins anew", err, fault.Resume, fault.Force)
	}
	return err
}

// openJournal opens the journal of the run and gives what it has.
func (s *session) openJournal() (*jsonl.Journal, []part, error) {
	path := s.cfg.journalPath()
	if path == "" {
		return nil, nil, nil
	}
	key, err := s.journalKey()
	if err != nil {
		return nil, nil, err
	}
	if !s.cfg.Resume {
		j, err := jsonl.CreateJournal(path, key)
		return j, nil, err
	}
	j, lines, err := jsonl.ResumeJournal(path, key)
	if errors.Is(err, jsonl.ErrOtherRun) {
		err = fault.Errorf(fact.ErrRequest, "%w (model, text, seed or hyper-parameters)", err)
	}
	if err != nil {
		return nil, nil, err
	}
	parts := make([]part, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal(line, &parts[i]); err != nil {
			j.Close()
			return nil, nil, fmt.Errorf("%s: part %d: %w", path, i+1, err)
		}
	}
	return j, parts, nil
}

// journalKey is a digest of all that decides the edits besides the requests.
func (s *session) journalKey() (string, error) {
	set := s.work.Settings()
	if set.Stats != nil {
		stats := *set.Stats
		stats.Cached = false
		set.Stats = &stats
	}
	b, err := json.Marshal(struct {
		Model    string
		Settings Settings
	}{s.base.Print, set})
	return fmt.Sprintf("%x", sha256.Sum256(b)), err
}

// editAll edits all requests, each kept in the journal once it is done.
func (s *session) editAll(ctx context.Context, j *jsonl.Journal, parts []part) error {
	for _, e := range s.res.Edits {
		if !e.todo() {
			continue
		}
		var err error
		if len(parts) > 0 {
			if err := s.checkPart(e, parts[0]); err != nil {
				return err // of the journal, not of the request
			}
			err = s.restore(ctx, e, parts[0])
			parts = parts[1:]
		} else {
			err = s.editNew(ctx, e, j)
		}
		if err = s.failed(e, err); err != nil {
			return err
		}
		s.done++
	}
	if len(parts) > 0 {
		return fault.Errorf(fact.ErrRequest, "%s has %d requests that are not among these", s.cfg.journalPath(), len(parts))
	}
	return nil
}

// editNew edits a request and writes it to the journal, also if it was refused
// and the run goes on without it.
func (s *session) editNew(ctx context.Context, e *Edit, j *jsonl.Journal) error {
	err := s.edit(ctx, e)
	if j == nil || err != nil && !(s.cfg.KeepGoing && skippable(err)) {
		return err
	}
	p := part{Request: e.fact.Request.Digest()}
	if err != nil {
		p.Error = err.Error()
	} else {
		p.Alone, p.Old, p.Edit = e.alone, e.alone.old, e.computed
	}
	return errors.Join(err, j.Add(p))
}

// checkPart reports a part of the journal that is not of a request.
func (s *session) checkPart(e *Edit, p part) error {
	switch {
	case p.Request != e.fact.Request.Digest():
		return fault.Errorf(fact.ErrRequest, "%s is not the one that the interrupted run has done there: give the same requests, or more after them", e.fact.Name())
	case p.Error == "" && p.Edit == nil:
		return fault.Errorf(fact.ErrRequest, "%s: %s has no edit of it", e.fact.Name(), s.cfg.journalPath())
	}
	return nil
}

// leftOut is the error of a request that an earlier run has left out.
type leftOut string

func (e leftOut) Error() string { return string(e) }

func (leftOut) Unwrap() error { return ErrRefused }

// restore takes over a request that an earlier run has done.
func (s *session) restore(ctx context.Context, e *Edit, p part) error {
	if p.Error != "" {
		return leftOut(p.Error)
	}
	if err := s.work.Restore(p.Edit); err != nil {
		return fmt.Errorf("%s: %w", s.cfg.journalPath(), err)
	}
	e.take(p.Edit)
	if err := s.moveProbe(ctx, e); err != nil {
		return err
	}
	e.alone = p.Alone
	e.alone.old = p.Old
	e.After = e.alone
	s.res.Seconds += p.Edit.Seconds
	for _, w := range p.Edit.Warnings {
		s.warn("%s%s", s.about(e), w)
	}
	s.keep(e)
	return nil
}

// kept says, of an error after which requests are kept, where.
func (s *session) kept(err error) error {
	if err == nil || s.done == 0 || s.cfg.journalPath() == "" {
		return err
	}
	return &KeptError{err, s.cfg.journalPath(), s.done, len(s.res.Edits)}
}
