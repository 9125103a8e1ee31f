package main

import (
	"strings"

	"retcon/internal/fault"
)

// adviceWords say advice in terms of the command line.
var adviceWords = map[fault.Advice]string{
	fault.MoreSteps:     "more --steps",
	fault.OtherLayer:    "another --layer",
	fault.SeveralLayers: "--layer auto",
	fault.LowerClamp:    "a lower --clamp",
	fault.HigherClamp:   "a higher --clamp",
	fault.ShorterStep:   "a shorter --max-step",
	fault.GiveText:      "a text with --corpus",
	fault.LongerText:    "a longer --corpus",
	fault.MoreTime:      "more --stats-time",
	fault.Diagonal:      "--covariance diagonal",
	fault.Identity:      "--covariance identity",
	fault.Importance:    "an importance matrix (--imatrix)",
	fault.WriteAdapter:  "an adapter with --lora",
	fault.WriteModel:    "a model with -o",
	fault.Resume:        "--resume",
	fault.Force:         "--force",
	fault.Template:      "a chat template in Jinja with --chat-template-file",
	fault.NameRequests:  "--requests FILE",
	fault.SmallWindow:   "a smaller --window",
	fault.Conversations: "--chat",
}

// words puts flags in the place of the advice in a text. What stands in quotes is
// somebody's own words and stays.
func words(text string) string {
	var b strings.Builder
	for at := 0; at < len(text); {
		quote := strings.IndexByte(text[at:], '"')
		if quote < 0 {
			quote = len(text) - at
		}
		b.WriteString(flagged.Replace(text[at : at+quote]))
		at += quote
		if end := quoted(text[at:]); end > 0 {
			b.WriteString(text[at : at+end])
			at += end
		}
	}
	return b.String()
}

// quoted is the length of the quotation that a text begins with, quotes included;
// all of a text whose quotation does not end.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// flagged puts flags in the place of advice.
var flagged = func() *strings.Replacer {
	var pairs []string
	for _, a := range fault.All {
		pairs = append(pairs, string(a), adviceWords[a])
	}
	return strings.NewReplacer(pairs...)
}()

// allWords is words of each of several texts.
func allWords(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = words(t)
	}
	return out
}
