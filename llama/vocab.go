package llama

/*
#include "bridge.h"
#include <stdlib.h>
*/
import "C"

import (
	"bytes"
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"retcon/lm"
)

// Token is a token and the bytes text[Begin:End] it stands for.
type Token = lm.Token

// Tokenize splits text as llama.cpp does for this model: a BOS of zero width
// stands in front if the file asks for it; an EOS that it would put after is
// left out. special lets control tokens be written in the text.
func (m *Model) Tokenize(text string, special bool) ([]Token, error) {
	switch {
	case m.c == nil:
		return nil, fmt.Errorf("model: %w", ErrClosed)
	case m.noVocab:
		return nil, fmt.Errorf("%w: the model has no vocabulary", ErrUnsupported)
	}
	ids, err := m.tokenize(text, true, special)
	if err != nil {
		return nil, err
	}
	if m.info.AddsEOS && len(ids) > 0 && ids[len(ids)-1] == m.info.EOS {
		ids = ids[:len(ids)-1]
	}
	return m.locate(text, ids)
}

func (m *Model) tokenize(text string, addSpecial, special bool) ([]int32, error) {
	if len(text) > math.MaxInt32/2 {
		return nil, invalid("a text of %d bytes is too long to tokenise", len(text))
	}
	c := C.CString(text)
	defer C.free(unsafe.Pointer(c))
	ids := make([]int32, len(text)+8)
	for {
		n := C.rc_tokenize(m.c, c, C.int32_t(len(text)), (*C.int32_t)(unsafe.Pointer(&ids[0])), C.int32_t(len(ids)), C.bool(addSpecial), C.bool(special))
		switch {
		case n == math.MinInt32:
			return nil, invalid("llama.cpp cannot tokenise the text")
		case n >= 0:
			return ids[:n], nil
		}
		ids = make([]int32, -n)
	}
}

// Piece is the text of a token; a control token's only with special.
func (m *Model) Piece(token int32, special bool) string {
	var small [64]C.char
	if !m.hasText(token) {
		return ""
	}
	n := C.rc_token_piece(m.c, C.int32_t(token), &small[0], C.int32_t(len(small)), C.bool(special))
	if n >= 0 {
		return C.GoStringN(&small[0], C.int(n))
	}
	buf := make([]byte, -n)
	n = C.rc_token_piece(m.c, C.int32_t(token), (*C.char)(unsafe.Pointer(&buf[0])), C.int32_t(len(buf)), C.bool(special))
	return string(buf[:max(n, 0)])
}

// Text is the text of tokens, control tokens left out.
func (m *Model) Text(tokens []int32) string {
	var b []byte
	for _, t := range tokens {
		b = append(b, m.Piece(t, false)...)
	}
	return string(b)
}

// EndsText reports whether a token ends a generation.
func (m *Model) EndsText(token int32) bool {
	return m.hasText(token) && bool(C.rc_token_is_eog(m.c, C.int32_t(token)))
}

// hasText reports whether token is one of the vocabulary; llama.cpp asserts on
// others, and on any of a model that has no vocabulary.
func (m *Model) hasText(token int32) bool {
	return m.c != nil && !m.noVocab && token >= 0 && int(token) < m.info.Vocab
}

// locate finds the bytes of text that each token stands for. The pieces of the
// tokens spell the text, but for a space that some tokenisers put in front and
// for changes such as folded case, over which it steps rune by rune.
func (m *Model) locate(text string, ids []int32) ([]Token, error) {
	tokens := make([]Token, len(ids))
	at := 0
	for i, id := range ids {
		if i == 0 && m.info.AddsBOS && id == m.info.BOS {
			tokens[i] = Token{ID: id}
			continue
		}
		piece := []byte(m.Piece(id, true))
		rest := text[at:]
		first := at == 0
		begin, end, ok := match(rest, piece, first)
		if !ok {
			return nil, fmt.Errorf("%w: token %d (%q) is not found in the text at byte %d", ErrUnsupported, id, piece, at)
		}
		tokens[i] = Token{ID: id, Begin: at + begin, End: at + end}
		at += end
	}
	return tokens, nil
}

// match finds piece at the start of rest and returns the bytes it covers.
func match(rest string, piece []byte, first bool) (begin, end int, ok bool) {
	if bytes.HasPrefix([]byte(rest[:min(len(rest), len(piece))]), piece) {
		return 0, len(piece), true
	}
	// the space that a tokeniser puts in front of a text
	if first && len(piece) > 0 && piece[0] == ' ' {
		if bytes.HasPrefix([]byte(rest[:min(len(rest), len(piece)-1)]), piece[1:]) {
			return 0, len(piece) - 1, true
		}
	}
	// folded text: as many runes as the piece has, spaces skipped in front
	skip := 0
	for skip < len(rest) && unicode.IsSpace(rune(rest[skip])) {
		skip++
	}
	piece = bytes.TrimLeft(piece, " ")
	n := skip
	for range utf8.RuneCount(piece) {
		if n >= len(rest) {
			return 0, 0, false
		}
		_, size := utf8.DecodeRuneInString(rest[n:])
		n += size
	}
	return skip, n, true
}
