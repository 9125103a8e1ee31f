package hypothesis

import "fmt"

// Numbers as the sentences about results say them.

// figure writes a figure for a sentence, with three digits where that is
// shorter.
func figure(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.1e", x)
	case x >= 1000:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// span names layers [begin, end).
func span(begin, end int) string {
	if end-begin == 1 {
		return fmt.Sprintf("layer %d", begin)
	}
	return fmt.Sprintf("layers %d-%d", begin, end-1)
}
