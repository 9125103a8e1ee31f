package hypothesis

import (
	"crypto/sha256"
	"fmt"

	"retcon/internal/neutral"
	"retcon/lm"
	"retcon/trace"
)

// mostText is how many tokens of a text are read: every row's logits are in
// memory at once.
const mostText = 512

// TextTokens splits a text into tokens for [LayersConfig]; "" is a text on
// everyday matters.
func TextTokens(m lm.Tokenizer, text string) ([]int32, error) {
	if text == "" {
		text = neutral.Text()
	}
	tokens, err := m.Tokenize(text, false)
	if err != nil {
		return nil, err
	}
	if len(tokens) < 2 {
		return nil, fmt.Errorf("%w: the text has %d tokens: perplexity needs two at least", trace.ErrPrompt, len(tokens))
	}
	return lm.IDs(tokens), nil
}

// TextName identifies a text in results, "" as in TextTokens.
func TextName(text string) string {
	if text == "" {
		return "neutral " + TextName(neutral.Text())
	}
	return fmt.Sprintf("text %.6x", sha256.Sum256([]byte(text)))
}
