package contexts

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"retcon/fact"
	"retcon/internal/fault"
	"retcon/internal/textfile"
	"retcon/lm"
)

// starters open the sampled prefixes, as in the MEMIT and AlphaEdit code: a
// model's own start token brings forth chat markup in tuned models.
var starters = [...]string{"The", "Therefore", "Because", "I", "You"}

// SamplePrefixes draws the texts that stand before the prompt (ROME, section
// 3.1: k* is a mean over them): for each {length, count} of lengths, count
// texts of length tokens, top-k 5, each followed by ". ". They depend on the
// model and on seed only.
func SamplePrefixes(ctx context.Context, m lm.Model, lengths [][2]int, seed uint64) ([]string, error) {
	var out []string
	for i, l := range lengths {
		prompts := make([][]int32, l[1])
		for j := range prompts {
			tokens, err := m.Tokenize(starters[j%len(starters)], false)
			if err != nil {
				return nil, err
			}
			prompts[j] = lm.IDs(tokens)
		}
		if len(prompts) == 0 {
			continue
		}
		rows, err := m.Generate(ctx, prompts, max(1, l[0]-1), 5, seed+uint64(i), true)
		if err != nil {
			return nil, err
		}
		for j, row := range rows {
			out = append(out, prefixOf(strings.ToValidUTF8(starters[j%len(starters)]+m.Text(row), "")))
		}
	}
	return out, nil
}

// prefixOf makes a prefix of a text: no braces, which mark the subject's place,
// and no zero bytes, which a model may write.
func prefixOf(s string) string {
	return strings.NewReplacer("{", " ", "}", " ", "\x00", "").Replace(s) + ". "
}

// ParsePrefixes reads prefixes from a file, one a line. A line may be a
// template of the reference's, with {} where the prompt goes ("In short. {}"),
// or a text, to which ". " is added. The bare prompt is always used besides, so
// a line of {} alone is passed over. With escapes, \n in a line is a newline, and
// so on as [fact.Unescape] reads them.
func ParsePrefixes(r io.Reader, escapes bool) ([]string, error) {
	var out []string
	lines := bufio.NewScanner(textfile.NewReader(r))
	for lines.Scan() {
		line := lines.Text()
		if escapes {
			line, _ = fact.Unescape(line)
			if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
				return nil, fault.Errorf(fact.ErrRequest, "the prefix %q is no text once its escapes are read", lines.Text())
			}
		}
		before, after, found := strings.Cut(line, fact.Slot)
		switch {
		case found && (after != "" || strings.Contains(after, fact.Slot)):
			return nil, fault.Errorf(fact.ErrRequest, "the prefix %q has text after {}", line)
		case found && before != "":
			out = append(out, before)
		case !found && strings.TrimSpace(line) != "":
			out = append(out, prefixOf(line))
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fault.Errorf(fact.ErrRequest, "a line is longer than %d bytes, which is no prefix", bufio.MaxScanTokenSize)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fault.Errorf(fact.ErrRequest, "there are no prefixes in the file")
	}
	return out, nil
}
