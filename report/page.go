package report

import (
	"fmt"

	"retcon/trace/result"
)

// Page is what one HTML page shows: a trace, an average, sections, or several of
// them.
type Page struct {
	Title    string // "" is made from what is shown
	Trace    *result.Trace
	Average  *Average
	Sections []Section
	Notes    []string // warnings and remarks, one paragraph each
}

// check refuses a page with nothing on it or with a part that does not fit.
func (p Page) check() error {
	if p.Trace == nil && p.Average == nil && len(p.Sections) == 0 {
		return fmt.Errorf("report: the page holds nothing")
	}
	if p.Trace != nil {
		if err := checkTrace(p.Trace); err != nil {
			return err
		}
	}
	if p.Average != nil {
		if err := p.Average.check(); err != nil {
			return err
		}
	}
	for _, s := range p.Sections {
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}
