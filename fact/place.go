package fact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"retcon/internal/fault"
)

// Place puts a subject into a prompt that has {} in its place, or finds it
// there: it is text[begin:end]. Where either would leave a doubt, since the
// subject stands in several places or beside {}, the subject in braces marks the
// place; the braces are dropped, and a {} elsewhere is text. Blanks around the
// prompt, of which a model would make tokens of their own, and spaces around the
// subject are dropped. Errors wrap ErrRequest: either is empty or no text, the
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
	put := func(mark string) (string, int, int, error) {
		before, after, _ := strings.Cut(prompt, mark)
		return before + subject + after, len(before), len(before) + len(subject), nil
	}
	slots, places := strings.Count(prompt, Slot), wordsAt(prompt, subject)
	if mark := braced(subject); strings.Count(prompt, mark) == 1 && (slots > 0 || len(places) > 1) {
		return put(mark)
	}
	switch {
	case slots > 1:
		return "", 0, 0, fault.Errorf(ErrRequest, "the prompt %q has more than one {}: mark the subject's place once; where {} is text, write %s in that place", prompt, braced(subject))
	case slots == 1 && len(places) > 0:
		return "", 0, 0, fault.Errorf(ErrRequest, "the prompt %q has {} and the subject %q as well: which place is meant? Write %s there, as in %q or %q", prompt, subject, braced(subject), strings.Replace(prompt, Slot, braced(subject), 1), mark(prompt, subject, places[0]))
	case slots == 1:
		return put(Slot)
	}
	begin, err = find(prompt, subject, places)
	return prompt, begin, begin + len(subject), err
}

// Fill is a template, whose {} is the subject's place for certain, as [Place]
// reads it: the place is marked by the subject in braces where the subject is
// another word of the template too.
func Fill(template, subject string) string {
	if strings.Count(template, Slot) == 1 && len(wordsAt(template, subject)) > 0 {
		return strings.Replace(template, Slot, braced(subject), 1)
	}
	return template
}

// braced is the subject as it marks its place where {} would not do.
func braced(subject string) string { return "{" + subject + "}" }

// mark is the prompt with the subject in braces at a place.
func mark(prompt, subject string, at int) string {
	return prompt[:at] + braced(subject) + prompt[at+len(subject):]
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
// it is a word, and not a part of one. words are the places where it is one.
func find(prompt, subject string, words []int) (int, error) {
	at := strings.Index(prompt, subject)
	if at < 0 {
		if words, differs, ok := alike(prompt, subject); ok {
			return 0, fault.Errorf(ErrRequest, "the subject %s is not in the prompt as it is written: %s; write it as %s, as it stands there", copied(subject), differs, copied(words))
		}
		return 0, fault.Errorf(ErrRequest, "the subject %q is not in the prompt %q: write it as it stands there, or put {} in its place", subject, prompt)
	}
	switch {
	case len(words) == 1:
		return words[0], nil
	case len(words) > 1:
		at = words[0]
	case !strings.Contains(prompt[at+1:], subject):
		return at, nil
	}
	return 0, fault.Errorf(ErrRequest, "the subject %q is in the prompt more than once: write %s in the place that is meant, as in %q", subject, braced(subject), mark(prompt, subject, at))
}

// wordsAt are the places of the subject in the prompt where it is a word.
func wordsAt(prompt, subject string) []int {
	var out []int
	for i := 0; subject != ""; {
		n := strings.Index(prompt[i:], subject)
		if n < 0 {
			break
		}
		i += n
		if isWord(prompt, i, i+len(subject)) {
			out = append(out, i)
		}
		_, size := utf8.DecodeRuneInString(prompt[i:])
		i += size
	}
	return out
}
