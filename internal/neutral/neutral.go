package neutral

import (
	_ "embed"
	"strings"
)

//go:embed neutral.txt
var neutral string

// Text is a text on everyday matters, about 800 words long, by which
// side effects are measured when no other is given.
func Text() string { return neutral }

// Paragraphs are its paragraphs.
func Paragraphs() []string { return strings.Split(strings.TrimSpace(neutral), "\n\n") }
