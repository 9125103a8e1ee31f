package progress

import (
	"fmt"
	"time"

	"retcon/internal/human"
)

// Stage is a stretch of work and how far it is.
type Stage struct {
	Name        string
	Done, Total int64 // Total is 0 where it is unknown
	Elapsed     time.Duration
	since       int64 // done in Elapsed
}

// String is the stage in one line.
func (s Stage) String() string {
	text := s.Name + ": "
	if s.Done == s.Total {
		text += "done"
	} else {
		text += human.Thousands(s.Done)
		if s.Total > 0 {
			text += " of " + human.Thousands(s.Total)
		}
	}
	// A stage that was heard of once has no duration that is known.
	if s.Elapsed > 0 {
		text += fmt.Sprintf(" in %.1f s", s.Elapsed.Seconds())
	}
	return text
}

// perSecond is the speed since the stage was first heard of, 0 if unknown.
func (s Stage) perSecond() float64 {
	if s.since <= 0 || s.Elapsed < redraw {
		return 0
	}
	return float64(s.since) / s.Elapsed.Seconds()
}

func (s Stage) rate() string {
	switch v := s.perSecond(); {
	case v <= 0:
		return ""
	case v < 10:
		return fmt.Sprintf("%.1f/s", v)
	default:
		return human.Thousands(int64(v)) + "/s"
	}
}

func (s Stage) left() string {
	v := s.perSecond()
	if v <= 0 || s.Done >= s.Total {
		return ""
	}
	t := int64(float64(s.Total-s.Done)/v + 0.5)
	if t >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d left", t/3600, t/60%60, t%60)
	}
	return fmt.Sprintf("%d:%02d left", t/60, t%60)
}
