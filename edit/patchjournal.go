package edit

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/journal"
)

// KeptError is the error of a run whose finished requests are kept: a run with
// the same output and Config.Resume goes on behind them.
type KeptError struct {
	Err      error
	Path     string // of the journal
	Done, Of int    // requests
}

// Error names the journal.
func (e *KeptError) Error() string { return fmt.Sprintf("%v; %s", e.Err, e.Kept()) }

// Kept says what is kept, and where.
func (e *KeptError) Kept() string {
	return fmt.Sprintf("%d of %d requests are done and kept in %s, --resume goes on behind them", e.Done, e.Of, e.Path)
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
	if c.method() != MethodTPatcher || c.Output == "" || len(c.Requests) < 2 {
		return ""
	}
	return c.Output + ".edits"
}

// checkJournal reports, before anything is loaded, a journal that would be
// lost.
func (c *Config) checkJournal() error {
	path := c.journalPath()
	if path == "" || c.Resume || c.Force {
		return nil
	}
	err := journal.Check(path)
	if errors.Is(err, journal.ErrExists) {
		err = fault.Errorf(fact.ErrRequest, "%w; --resume goes on with it, --force begins anew", err)
	}
	return err
}

// openJournal opens the journal of the run and gives what it has.
func (s *session) openJournal() (*journal.Journal, []part, error) {
	path := s.cfg.journalPath()
	if path == "" {
		return nil, nil, nil
	}
	key, err := s.journalKey()
	if err != nil {
		return nil, nil, err
	}
	if !s.cfg.Resume {
		j, err := journal.Create(path, key, true)
		return j, nil, err
	}
	j, lines, err := journal.Resume(path, key)
	if errors.Is(err, journal.ErrOther) {
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
	b, err := json.Marshal(struct {
		Model, Memory string
		Seed          uint64
		Prefixes      []string
		Patch         PatchConfig
		Slots         []int64
	}{s.stats.print, s.patches.key, s.cfg.HParams.Seed, s.prefixes, s.cfg.Patch, s.patches.order})
	return fmt.Sprintf("%x", sha256.Sum256(b)), err
}

// patchAll patches all requests, each kept in the journal once it is done.
func (s *session) patchAll(patch func(*Edit) (*Computed, error), j *journal.Journal, parts []part) error {
	for _, e := range s.res.Edits {
		if e.Error != "" {
			continue
		}
		var err error
		if len(parts) > 0 {
			err = s.restore(e, parts[0])
			parts = parts[1:]
		} else {
			err = s.patchNew(e, patch, j)
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

// patchNew patches a request and writes it to the journal, also if it was
// refused and the run goes on without it.
func (s *session) patchNew(e *Edit, patch func(*Edit) (*Computed, error), j *journal.Journal) error {
	c, err := patch(e)
	if j == nil || err != nil && !(s.cfg.KeepGoing && (errors.Is(err, ErrRefused) || errors.Is(err, fact.ErrRequest))) {
		return err
	}
	p := part{Request: e.fact.Request.Digest()}
	if err != nil {
		p.Error = err.Error()
	} else {
		p.Alone, p.Old, p.Edit = e.alone, e.alone.old, c
	}
	return errors.Join(err, j.Add(p))
}

// restore takes over a request that an earlier run has done.
func (s *session) restore(e *Edit, p part) error {
	switch {
	case p.Request != e.fact.Request.Digest():
		return fault.Errorf(fact.ErrRequest, "%s is not the one that the interrupted run has done there: give the same requests, or more behind them", e.fact.Name())
	case p.Error != "":
		return fault.Errorf(ErrRefused, "%s", p.Error)
	case p.Edit == nil:
		return fault.Errorf(fact.ErrRequest, "%s: %s has no edit of it", e.fact.Name(), s.cfg.journalPath())
	}
	e.alone = p.Alone
	e.alone.old = p.Old
	e.After = e.alone
	s.res.Seconds += p.Edit.Seconds
	s.take(e, p.Edit)
	s.warnFiring(e)
	s.edits = append(s.edits, e)
	return nil
}

// kept says, of an error behind which requests are kept, where.
func (s *session) kept(err error) error {
	if err == nil || s.done == 0 || s.cfg.journalPath() == "" {
		return err
	}
	return &KeptError{err, s.cfg.journalPath(), s.done, len(s.res.Edits)}
}
