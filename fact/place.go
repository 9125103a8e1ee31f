package fact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"retcon/internal/fault"
)

// Place puts a subject into a prompt that has {} in its place, or finds it
// there: it is text[begin:end]. Blanks around the prompt, of which a model would make
// tokens of their own, and spaces around the subject are dropped. Errors wrap ErrRequest: either is empty or no text, the
// subject is not there, or its place is not certain.
func Place(prompt, subject string) (text string, begin, end int, err error) {
	subject = strings.TrimSpace(subject)
	prompt = trim(prompt)
	switch {
	case prompt == "":
		return "", 0, 0, fault.Errorf(ErrRequest, "the prompt is empty")
	case subject == "":
		return "", 0, 0, fault.Errorf(ErrRequest, "the subject is empty: name the part of the prompt that the fact is about")
	}
	if err := checkText(prompt + subject); err != nil {
		return "", 0, 0, err
	}
	switch strings.Count(prompt, Slot) {
	case 0:
		begin, err = find(prompt, subject)
		return prompt, begin, begin + len(subject), err
	case 1:
		before, after, _ := strings.Cut(prompt, Slot)
		return before + subject + after, len(before), len(before) + len(subject), nil
	}
	return "", 0, 0, fault.Errorf(ErrRequest, "the prompt %q has more than one {}: mark the subject's place once", prompt)
}

// trim drops blanks around a prompt; line ends stay.
func trim(prompt string) string {
	return strings.TrimFunc(prompt, func(r rune) bool { return r == '\t' || unicode.Is(unicode.Zs, r) })
}

// checkText refuses what no model can read.
func checkText(s string) error {
	switch {
	case !utf8.ValidString(s):
		return fault.Errorf(ErrRequest, "the text is not valid UTF-8")
	case strings.ContainsRune(s, 0):
		return fault.Errorf(ErrRequest, "the text holds a zero byte")
	}
	return nil
}

// find is the one place of the subject in the prompt; of several, the one where
// it is a word, and not a part of one.
func find(prompt, subject string) (int, error) {
	at := strings.Index(prompt, subject)
	if at < 0 {
		if words, differs, ok := alike(prompt, subject); ok {
			return 0, fault.Errorf(ErrRequest, "the subject %s is not in the prompt as it is written: %s; write it as %s, as it stands there", copied(subject), differs, copied(words))
		}
		return 0, fault.Errorf(ErrRequest, "the subject %q is not in the prompt %q: write it as it stands there, or put {} in its place", subject, prompt)
	}
	if !strings.Contains(prompt[at+1:], subject) {
		return at, nil
	}
	whole, n := 0, 0
	for i := at; i >= 0; i = next(prompt, subject, i) {
		if isWord(prompt, i, i+len(subject)) {
			if n++; n == 1 {
				whole = i
			}
		}
	}
	if n == 1 {
		return whole, nil
	}
	if n > 1 {
		at = whole
	}
	return 0, fault.Errorf(ErrRequest, "the subject %q is in the prompt more than once: put {} in the place that is meant, as in %q", subject, prompt[:at]+Slot+prompt[at+len(subject):])
}

// next is the place of the subject after the one at i, -1 if there is none.
func next(prompt, subject string, i int) int {
	_, size := utf8.DecodeRuneInString(prompt[i:])
	if n := strings.Index(prompt[i+size:], subject); n >= 0 {
		return i + size + n
	}
	return -1
}
