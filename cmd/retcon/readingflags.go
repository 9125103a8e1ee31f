package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"retcon/fact"
)

// readingFlags say how texts are read: those of the command line, and those of
// records.
type readingFlags struct {
	noEscape, literal bool
	join              string
}

// flags are all of them.
func (f *readingFlags) flags() *pflag.FlagSet {
	fs := f.recordFlags()
	fs.BoolVar(&f.noEscape, "no-escape", false, `take \n and other escapes in texts of the command line and in prefixes as they are written; llama.cpp's programs read them, and so do we`)
	return fs
}

// recordFlags are those that records are read with, too.
func (f *readingFlags) recordFlags() *pflag.FlagSet {
	f.join = "auto"
	fs := newFlagSet("reading")
	fs.BoolVar(&f.literal, "no-parse-special", false, "read control tokens in prompts and targets, such as <|im_start|>, as letters")
	fs.Var(choice{&f.join, []string{"auto", string(fact.Space), string(fact.NoSpace)}}, "join", "what stands between prompt and target; auto goes by the text and, where that leaves it open, asks the model")
	return fs
}

// request sets how a request is read, unless its record says so.
func (f *readingFlags) request(r *fact.Request) {
	r.Literal, r.Join = r.Literal || f.literal, cmp.Or(r.Join, f.joint())
}

// joint is the joint of --join, empty for one that is to be found out.
func (f *readingFlags) joint() fact.Join {
	if f.join == "auto" {
		return ""
	}
	return fact.Join(f.join)
}

// text reads one of the command line's texts.
func (f *readingFlags) text(s string) string {
	if f.noEscape {
		return s
	}
	s, _ = fact.Unescape(s)
	return s
}

// warnings say which escapes were read in texts of the command line.
func (f *readingFlags) warnings(texts ...string) []string {
	if f.noEscape {
		return nil
	}
	var all []string
	for _, t := range texts {
		_, read := fact.Unescape(t)
		all = append(all, read...)
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return []string{fmt.Sprintf("%s on the command line was read as an escape, as llama.cpp's programs read it; --no-escape takes it as it is written", strings.Join(slices.Compact(all), " and "))}
}
