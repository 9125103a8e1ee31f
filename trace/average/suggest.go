package average

import (
	"fmt"

	"retcon/trace/result"
)

// Suggestion is a range of layers to edit, both ends in it. Where nothing can be
// suggested From is -1 and Evidence says why.
type Suggestion struct {
	From     int    `json:"from"`
	To       int    `json:"to"`
	Evidence string `json:"evidence"`
}

// String is the suggestion as a sentence.
func (s Suggestion) String() string {
	switch {
	case s.From < 0:
		return s.Evidence
	case s.From == s.To:
		return fmt.Sprintf("layer to edit: %d (%s)", s.From, s.Evidence)
	}
	return fmt.Sprintf("layers to edit: %d to %d (%s)", s.From, s.To, s.Evidence)
}

// Suggest reads the layers to edit off the effect of FFN outputs at the last
// subject token: those around the peak whose interval reaches the peak's mean.
// The effect is of windows of layers, and the range is of their centres.
func Suggest(s Summary) Suggestion {
	none := func(format string, args ...any) Suggestion {
		return Suggestion{-1, -1, "no layers are suggested: " + fmt.Sprintf(format, args...)}
	}
	byRow, ok := s.Indirect[MLP]
	if !ok {
		return none("FFN outputs were not traced")
	}
	e := byRow[LastSubject].Series
	if e.Facts < 2 {
		return none("that takes two facts that the model gets right, and there is %d", e.Facts)
	}
	peak := e.Peak()
	begin, end := result.Window(peak, s.Window, s.Layers)
	switch {
	case e.Mean[peak]-e.Half[peak] <= 0:
		return none("the effect of FFN outputs at the last subject token is at most %.3g ± %.2g over %d facts", e.Mean[peak], e.Half[peak], e.Facts)
	case begin == 0 && end == s.Layers:
		return none("the window of %d layers around the peak covers the whole model; a smaller one may tell layers apart", s.Window)
	}
	reaches := func(l int) bool { return e.Mean[l]+e.Half[l] >= e.Mean[peak] }
	low, high := peak, peak
	for low > 0 && reaches(low-1) {
		low--
	}
	for high < s.Layers-1 && reaches(high+1) {
		high++
	}
	from, _ := result.Centre(low, s.Window, s.Layers)
	_, to := result.Centre(high, s.Window, s.Layers)
	return Suggestion{from, to, fmt.Sprintf(
		"FFN outputs at the last subject token bring back most in the window around layer %d (layers %d to %d), %.3g ± %.2g of a total effect of %.3g over %d facts, and windows around layers %d to %d reach that within their 95 %% intervals; "+
			"where a fact is recalled need not be where it is edited best (arXiv 2301.04213), so try the neighbours too",
		peak, begin, end-1, e.Mean[peak], e.Half[peak], s.Total.Mean, e.Facts, low, high)}
}
